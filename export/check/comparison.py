"""How far an artifact's outputs are from its model's, and how far they may be."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.data.source import ExampleSource
from bert_tf.tasks.task import Task
from export.check.backends import Arrays

FLOAT32_TOLERANCE = 1e-4
"""How far a float32 artifact's logits may be from the Keras model's."""

_TINY = 1e-30


# Task -> probabilities of logits, and logits of probabilities, for files that answer
# as MediaPipe wants it.
_PROBABILITIES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "classification": (tf.nn.softmax, lambda p: np.log(np.maximum(p, _TINY))),
    "multi_label": (
        tf.sigmoid,
        lambda p: np.log(np.maximum(p, _TINY)) - np.log(np.maximum(1 - p, _TINY)),
    ),
}


def expected_of(task: Task, outputs: Arrays, reference: Arrays) -> Arrays:
    """Returns what an artifact should give.

    Args:
        task: of the model.
        outputs: what it gives.
        reference: the Keras model's logits.

    Returns:
        The same, or probabilities if the artifact gives these.
    """
    if set(outputs) == {"probabilities"} and task.name in _PROBABILITIES:
        probabilities = _PROBABILITIES[task.name][0](reference["logits"])
        return {"probabilities": np.asarray(probabilities)}
    return reference


def logits_of(task: Task, outputs: Arrays) -> Arrays:
    """Returns an artifact's outputs as the task scores them.

    Args:
        task: of the model.
        outputs: the artifact's, logits or probabilities.
    """
    if set(outputs) == {"probabilities"} and task.name in _PROBABILITIES:
        return {"logits": _PROBABILITIES[task.name][1](outputs["probabilities"])}
    return outputs


class Comparison:
    """Running figures over batches of one artifact beside its reference.

    Args:
        task: what the model was trained for.
        source: the examples, in the order in which `update` gets them.
    """

    def __init__(self, task: Task, source: ExampleSource) -> None:
        self._task = task
        self._source = source
        self._max_abs_diff = 0.0
        self._sum_abs_diff, self._num_outputs = 0.0, 0
        self._sums: dict[str, float] = {}
        self._predictions: list[dict[str, np.ndarray]] = []

    def update(self, batch: Arrays, outputs: Arrays, reference: Arrays) -> None:
        """Adds a batch.

        Args:
            batch: the examples with their labels.
            outputs: the artifact's logits, or the probabilities in their place.
            reference: the Keras model's logits.
        """
        for name, expected in expected_of(self._task, outputs, reference).items():
            difference = np.abs(outputs[name] - expected)
            # Unlike `max`, this keeps a NaN, which is near nothing.
            largest = np.maximum(self._max_abs_diff, difference.max())
            self._max_abs_diff = float(largest)
            self._sum_abs_diff += float(difference.sum(dtype=float))
            self._num_outputs += difference.size
        batch = {name: tf.constant(value) for name, value in batch.items()}
        outputs = logits_of(self._task, outputs)
        outputs = {name: tf.constant(value) for name, value in outputs.items()}
        sums = {
            **self._task.sums(outputs, batch),
            **{f"{n}_weight": w for n, w in self._task.weights(batch).items()},
        }
        for name, value in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        predictions = self._task.predictions(outputs, batch)
        self._predictions.append({n: np.asarray(v) for n, v in predictions.items()})

    def result(self) -> dict[str, float]:
        """Returns the largest and the mean difference, and the task's metrics."""
        predictions = {
            name: np.concatenate([part[name] for part in self._predictions])
            for name in self._predictions[0]
        }
        return {
            "max_abs_diff": self._max_abs_diff,
            "mean_abs_diff": self._sum_abs_diff / self._num_outputs,
            **self._task.summarize(self._sums),
            **self._task.score(self._source, predictions),
        }


def failures(
    artifacts: Sequence[dict[str, Any]], quality: str, max_drop: float
) -> list[str]:
    """Returns a sentence for every artifact that is too far from the Keras model.

    Args:
        artifacts: entries of `verification.json`.
        quality: the metric that counts.
        max_drop: how much of it a quantized artifact may lose.
    """
    found = []
    for artifact in artifacts:
        path, difference = artifact["path"], artifact["max_abs_diff"]
        drop = artifact[f"{quality}_drop"]
        if artifact["quantized"] and not drop <= max_drop:
            found.append(
                f"{path}: {quality} is {drop:.4f} below the Keras model's; at most "
                f"{max_drop:g} is allowed."
            )
        if not artifact["quantized"] and not difference <= FLOAT32_TOLERANCE:
            found.append(
                f"{path}: its logits differ from the Keras model's by up to "
                f"{difference:g}; at most {FLOAT32_TOLERANCE:g} is allowed."
            )
        of_texts = artifact.get("text_max_abs_diff", 0.0)
        if not of_texts <= FLOAT32_TOLERANCE:
            found.append(
                f"{path}: its answers to texts differ from those to their ids by up to "
                f"{of_texts:g}; at most {FLOAT32_TOLERANCE:g} is allowed."
            )
    return found
