"""Numbers for people, from the sums that steps report. Free of TensorFlow."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def summarize(sums: Mapping[str, float], losses: Sequence[str]) -> dict[str, float]:
    """Divides sums once.

    Args:
        sums: `<loss>_weight`, `<loss>_loss` and `<loss>_correct` for each loss.
        losses: their names.

    Returns:
        `loss`, the sum of the means; `<loss>_loss` in nats and `<loss>_accuracy` for
        each loss that has any weight; and `masked_lm_perplexity`.
    """
    result = {"loss": 0.0}
    for name in losses:
        weight = float(sums[f"{name}_weight"])
        if weight:
            result[f"{name}_loss"] = float(sums[f"{name}_loss"]) / weight
            result[f"{name}_accuracy"] = float(sums[f"{name}_correct"]) / weight
            result["loss"] += result[f"{name}_loss"]
    if "masked_lm_loss" in result:
        # A loss beyond 700 overflows; the perplexity of such a model means nothing.
        result["masked_lm_perplexity"] = math.exp(min(result["masked_lm_loss"], 700.0))
    return result


def unigram_baseline(
    train_counts: np.ndarray, eval_counts: np.ndarray
) -> dict[str, float]:
    """Scores the best guess that ignores the sentence.

    The guess is the distribution of the masked tokens of the training records, with
    one added to each count, so that tokens that never occurred cost something finite.

    Args:
        train_counts: int64 `[vocab]`, masked tokens of training records.
        eval_counts: int64 `[vocab]`, of held-out records.

    Returns:
        `unigram_accuracy`, of always guessing the most frequent token, and
        `unigram_loss`, the cross-entropy in nats.
    """
    total = max(int(eval_counts.sum()), 1)
    probabilities = (train_counts + 1) / (train_counts.sum() + len(train_counts))
    return {
        "unigram_accuracy": float(eval_counts[train_counts.argmax()] / total),
        "unigram_loss": float(-(eval_counts * np.log(probabilities)).sum() / total),
    }
