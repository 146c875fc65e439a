"""How far an artifact's outputs are from its model's, and how far they may be."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.backends import Arrays

FLOAT32_TOLERANCE = 1e-4
"""How far a float32 artifact's logits may be from the Keras model's."""


class Comparison:
    """Running sums over batches of one artifact beside its reference."""

    def __init__(self) -> None:
        self._max_abs_diff = 0.0
        self._masked_lm = np.zeros(2)
        self._next_sentence = np.zeros(2)

    def update(self, batch: Arrays, outputs: Arrays, reference: Arrays) -> None:
        """Adds a batch.

        Args:
            batch: the examples with their labels.
            outputs: the artifact's logits.
            reference: the Keras model's.
        """
        for name, expected in reference.items():
            difference = np.abs(outputs[name] - expected).max()
            # Unlike `max`, this keeps a NaN, which is near nothing.
            self._max_abs_diff = float(np.maximum(self._max_abs_diff, difference))
        weights = batch["masked_lm_weights"]
        hits = outputs["masked_lm_logits"].argmax(-1) == batch["masked_lm_ids"]
        self._masked_lm += (np.sum(hits * weights), np.sum(weights))
        labels = batch["next_sentence_labels"][:, 0]
        hits = outputs["next_sentence_logits"].argmax(-1) == labels
        self._next_sentence += (np.sum(hits), len(labels))

    def result(self) -> dict[str, float]:
        """Returns the largest difference and both accuracies."""
        return {
            "max_abs_diff": self._max_abs_diff,
            "masked_lm_accuracy": float(self._masked_lm[0] / self._masked_lm[1]),
            "next_sentence_accuracy": float(
                self._next_sentence[0] / self._next_sentence[1]
            ),
        }


def failures(
    artifacts: Sequence[dict[str, Any]], max_accuracy_drop: float
) -> list[str]:
    """Returns a sentence for every artifact that is too far from the Keras model.

    Args:
        artifacts: entries of `verification.json`.
        max_accuracy_drop: how much masked-LM accuracy a quantised artifact may lose.
    """
    found = []
    for artifact in artifacts:
        path, difference = artifact["path"], artifact["max_abs_diff"]
        drop = artifact["masked_lm_accuracy_drop"]
        if artifact["quantized"] and not drop <= max_accuracy_drop:
            found.append(
                f"{path}: masked-LM accuracy is {drop:.4f} below the Keras model's; "
                f"at most {max_accuracy_drop:g} is allowed."
            )
        if not artifact["quantized"] and not difference <= FLOAT32_TOLERANCE:
            found.append(
                f"{path}: its logits differ from the Keras model's by up to "
                f"{difference:g}; at most {FLOAT32_TOLERANCE:g} is allowed."
            )
    return found
