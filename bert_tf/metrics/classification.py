"""One class an example: sentiment, topics, inference, the choices of a question."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    reliability,
)
from bert_tf.metrics.inputs import check_logits, check_same_length


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """How one class fared; a share of nothing is 0.0.

    Attributes:
        name: of the class.
        correct: examples that are of the class and were said to be.
        support: examples that are.
        predicted: examples that were said to be.
    """

    name: str
    correct: int
    support: int
    predicted: int

    @property
    def precision(self) -> float:
        """The share of its predictions that is right."""
        return self.correct / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        """The share of its examples that was found."""
        return self.correct / max(self.support, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2.0 * self.correct / max(self.support + self.predicted, 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities, float64, over the last axis.

    Args:
        logits: `[num_examples, num_classes]`; -inf for what can't be chosen.
    """
    from scipy import special

    return special.softmax(check_logits(logits), axis=-1)


def classification_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores single-label classification.

    Args:
        logits: `[num_examples, num_classes]`, or logarithms of probabilities.
        labels: int `[num_examples]`.

    Returns:
        `accuracy`; `f1_micro`; `f1_macro`, the mean over the classes that occur among
        labels or predictions; `f1`, of class 1, where there are two classes;
        `matthews_correlation`, -1 to 1, 0.0 where all labels or all predictions are
        the same; `nll`, the mean negative log-likelihood in nats; `ece`, the expected
        calibration error over 15 bins.
    """
    labels = np.asarray(labels)
    predictions = np.asarray(logits).argmax(axis=-1)
    num_classes = np.shape(logits)[-1]
    figures = per_class(predictions, labels, [str(i) for i in range(num_classes)])
    return {
        "accuracy": float(np.mean(predictions == labels)),
        "f1_micro": total(figures).f1,
        "f1_macro": macro_f1(figures),
        **({"f1": figures[1].f1} if num_classes == 2 else {}),
        "matthews_correlation": _matthews(predictions, labels),
        "nll": float(np.mean(negative_log_likelihoods(logits, labels))),
        "ece": expected_calibration_error(confidence_bins(logits, labels)),
    }


def multiple_choice_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores the choice of one answer, where choices have no identity of their own.

    Args:
        logits: `[num_examples, num_choices]`; -inf for choices that there aren't.
        labels: int `[num_examples]`.

    Returns:
        `accuracy`, and `nll` in nats.
    """
    scores = negative_log_likelihoods(logits, labels)
    return {
        "accuracy": float(np.mean(np.argmax(logits, axis=-1) == labels)),
        "nll": float(np.mean(scores)),
    }


def _matthews(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Returns Matthews' correlation; 0.0 where either is always the same class."""
    from sklearn.metrics import matthews_corrcoef

    if len(np.unique(predictions)) == 1 or len(np.unique(labels)) == 1:
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def negative_log_likelihoods(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns each example's loss in nats, float64 `[num_examples]`.

    Args:
        logits: `[num_examples, num_classes]`.
        labels: int `[num_examples]`.
    """
    from scipy import special

    check_same_length(logits=logits, labels=labels)
    logs = special.log_softmax(check_logits(logits), axis=-1)
    return -np.take_along_axis(logs, np.asarray(labels)[:, None], axis=-1)[:, 0]


def confidence_bins(logits: np.ndarray, labels: np.ndarray) -> list[ReliabilityBin]:
    """Returns the reliability table of the likeliest classes.

    Args:
        logits: `[num_examples, num_classes]`.
        labels: int `[num_examples]`.
    """
    probabilities = softmax(logits)
    return reliability(
        probabilities.max(axis=-1), probabilities.argmax(axis=-1) == labels
    )


def per_class(
    predictions: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> list[ClassFigures]:
    """Scores each class by itself.

    Args:
        predictions: int `[num_examples]`, or 0/1 `[num_examples, num_classes]` where an
            example may be of several classes.
        labels: like `predictions`.
        class_names: in the order of their numbers.
    """
    check_same_length(predictions=predictions, labels=labels)
    predicted, true = np.asarray(predictions), np.asarray(labels)
    if predicted.ndim == 1:
        numbers = np.arange(len(class_names))
        predicted, true = predicted[:, None] == numbers, true[:, None] == numbers
    counts = np.stack([predicted & true, true, predicted]).sum(axis=1)
    return [
        ClassFigures(name, *map(int, column))
        for name, column in zip(class_names, counts.T, strict=True)
    ]


def total(figures: Sequence[ClassFigures]) -> ClassFigures:
    """Returns the figures of all classes' decisions together."""
    return ClassFigures(
        "all",
        correct=sum(f.correct for f in figures),
        support=sum(f.support for f in figures),
        predicted=sum(f.predicted for f in figures),
    )


def macro_f1(figures: Sequence[ClassFigures]) -> float:
    """Returns the mean F1 of the classes that occur; 0.0 if none does."""
    scores = [f.f1 for f in figures if f.support or f.predicted]
    return sum(scores) / max(len(scores), 1)


def confusion_matrix(
    predictions: np.ndarray, labels: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts which class was taken for which.

    Args:
        predictions: int `[num_examples]`.
        labels: int `[num_examples]`.
        num_classes: how many there are, whether they occur or not.

    Returns:
        int64 `[num_classes, num_classes]`: row true, column predicted class.
    """
    check_same_length(predictions=predictions, labels=labels)
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predictions)), 1)
    return matrix


def worst_errors(logits: np.ndarray, labels: np.ndarray, limit: int) -> list[int]:
    """Returns the wrongly classified examples, the least likely right answer first.

    Args:
        logits: `[num_examples, num_classes]`.
        labels: int `[num_examples]`.
        limit: return no more than so many.

    Returns:
        Numbers of examples; ties in their order.
    """
    losses = negative_log_likelihoods(logits, labels)
    wrong = np.flatnonzero(np.argmax(logits, axis=-1) != labels)
    return wrong[np.argsort(-losses[wrong], kind="stable")][:limit].tolist()
