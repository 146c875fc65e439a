"""Whether a model is right as often as its probabilities say."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.inputs import check_same_length

NUM_BINS = 15


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """The predictions whose confidence lies in one interval.

    Attributes:
        low: exclusive, but for 0.
        high: inclusive.
        count: predictions in it; the others are 0.0 if there is none.
        confidence: their mean probability.
        accuracy: the share of them that is right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(
    confidences: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS
) -> list[ReliabilityBin]:
    """Sorts predictions into intervals of equal width by their confidence.

    Args:
        confidences: `[num_predictions]`, the probabilities that the model gave them.
        correct: bool, same shape.
        num_bins: intervals between 0 and 1.

    Returns:
        All intervals in order, empty ones too.

    Source: Guo et al. 2017 (arXiv:1706.04599), section 2.
    """
    check_same_length(confidences=confidences, correct=correct)
    confidences = np.asarray(confidences, np.float64)
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, None)
    bins = np.minimum(bins, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    divisors = np.maximum(counts, 1)
    means = np.bincount(bins, confidences, num_bins) / divisors
    shares = np.bincount(bins, np.asarray(correct, np.float64), num_bins) / divisors
    return [
        ReliabilityBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int(counts[i]),
            confidence=float(means[i]),
            accuracy=float(shares[i]),
        )
        for i in range(num_bins)
    ]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Returns by how much confidence and accuracy differ in a bin, on average.

    Args:
        bins: of `reliability`; each weighs as many predictions as it holds.

    Source: Guo et al. 2017 (arXiv:1706.04599), equation 3.
    """
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / total
