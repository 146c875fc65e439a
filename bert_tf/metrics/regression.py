"""Numbers predicted: ratings, similarities."""

import numpy as np

from bert_tf.metrics.inputs import check_finite, check_same_length


def regression_metrics(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores predicted numbers.

    Args:
        predictions: `[num_examples]`.
        labels: `[num_examples]`.

    Returns:
        `pearson` and `spearman`, -1 to 1, of `correlations`; `mse` and `mae`, the mean
        squared and absolute error in the labels' unit.
    """
    check_same_length(predictions=predictions, labels=labels)
    errors = check_finite("predictions", predictions) - np.asarray(labels, np.float64)
    return {
        **correlations(predictions, labels),
        "mse": float(np.mean(errors**2)),
        "mae": float(np.mean(np.abs(errors))),
    }


def correlations(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns Pearson's and Spearman's correlation.

    Where all predictions or all labels are the same number, correlation has no
    definition; both are then 0.0, since such predictions tell nothing of the labels.

    Args:
        predictions: `[num_examples]`.
        labels: `[num_examples]`.

    Returns:
        `pearson` and `spearman`, -1 to 1.
    """
    from scipy import stats

    check_same_length(predictions=predictions, labels=labels)
    x = check_finite("predictions", predictions)
    y = np.asarray(labels, np.float64)
    if _nearly_constant(x) or _nearly_constant(y):
        return {"pearson": 0.0, "spearman": 0.0}
    return {
        "pearson": float(stats.pearsonr(x, y).statistic),
        "spearman": float(stats.spearmanr(x, y).statistic),
    }


def _nearly_constant(values: np.ndarray) -> bool:
    """Tells whether the values differ by rounding alone."""
    spread = np.abs(values - values.mean()).max()
    return bool(spread <= 1e-6 * np.abs(values).max())
