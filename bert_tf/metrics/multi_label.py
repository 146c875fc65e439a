"""Any number of classes an example."""

import numpy as np

from bert_tf.metrics.calibration import expected_calibration_error, reliability
from bert_tf.metrics.classification import macro_f1, per_class, total
from bert_tf.metrics.inputs import check_logits, check_same_length

DEFAULT_THRESHOLD = 0.5


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Returns the probability of each class, float64 `[num_examples, num_classes]`."""
    from scipy import special

    return special.expit(check_logits(logits))


def decide(logits: np.ndarray, threshold: float = DEFAULT_THRESHOLD) -> np.ndarray:
    """Returns which classes are predicted, int64 `[num_examples, num_classes]`.

    Args:
        logits: `[num_examples, num_classes]`.
        threshold: the least probability that a predicted class has.
    """
    return (sigmoid(logits) >= threshold).astype(np.int64)


def multi_label_metrics(
    logits: np.ndarray, labels: np.ndarray, threshold: float = DEFAULT_THRESHOLD
) -> dict[str, float]:
    """Scores multi-label classification.

    Args:
        logits: `[num_examples, num_classes]`.
        labels: 0 or 1, same shape.
        threshold: the least probability that a predicted class has.

    Returns:
        `f1_micro`; `f1_macro`, the mean over classes that occur among labels or
        predictions; `subset_accuracy`, the share of examples whose classes are exactly
        right; `average_precision_micro` and `average_precision_macro`, which need no
        threshold, the latter over classes that have an example (0.0 if none has);
        `nll`, of a decision, in nats; `ece` of all decisions' probabilities, over 15
        bins; and the `threshold`.
    """
    from scipy import special

    check_same_length(logits=logits, labels=labels)
    labels = np.asarray(labels, np.int64)
    numbers = check_logits(logits)
    probabilities = sigmoid(logits)
    predictions = decide(logits, threshold)
    figures = per_class(predictions, labels, [str(i) for i in range(labels.shape[1])])
    bins = reliability(probabilities.ravel(), labels.ravel() == 1)
    signed = np.where(labels == 1, numbers, -numbers)
    return {
        "f1_micro": total(figures).f1,
        "f1_macro": macro_f1(figures),
        "subset_accuracy": float(np.mean((predictions == labels).all(axis=1))),
        **_average_precision(probabilities, labels),
        "nll": float(-np.mean(special.log_expit(signed))),
        "ece": expected_calibration_error(bins),
        "threshold": float(threshold),
    }


def _average_precision(
    probabilities: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    having = labels.any(axis=0)
    if not having.any():
        return {"average_precision_micro": 0.0, "average_precision_macro": 0.0}
    scores = [
        average_precision_score(labels[:, i], probabilities[:, i])
        for i in np.flatnonzero(having)
    ]
    return {
        "average_precision_micro": float(
            average_precision_score(labels.ravel(), probabilities.ravel())
        ),
        "average_precision_macro": float(np.mean(scores)),
    }


def best_threshold(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the threshold with the highest micro F1.

    Choose it on examples other than those that the model is then scored on.

    Args:
        logits: `[num_examples, num_classes]`.
        labels: 0 or 1, same shape.

    Returns:
        A probability half-way between two that occur, so that rounding elsewhere
        decides nothing; of equally good ones the nearest to 0.5.
    """
    check_same_length(logits=logits, labels=labels)
    flat = sigmoid(logits).ravel()
    order = np.argsort(-flat, kind="stable")
    descending = flat[order]
    correct = np.cumsum(np.asarray(labels).ravel()[order])
    f1 = 2.0 * correct / (np.arange(1, len(flat) + 1) + max(correct[-1], 1))
    # Probabilities that are equal fall on the same side of any threshold.
    ends = np.flatnonzero(np.append(descending[1:] < descending[:-1], True))
    halfway = (descending[ends] + np.append(descending[ends[:-1] + 1], 0.0)) / 2.0
    best = halfway[f1[ends] == f1[ends].max()]
    return float(best[np.argmin(np.abs(best - DEFAULT_THRESHOLD))])
