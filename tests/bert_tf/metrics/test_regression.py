import warnings

import numpy as np
import pytest

from bert_tf.errors import InputError
from bert_tf.metrics.regression import correlations, regression_metrics


def test_by_hand():
    predictions, labels = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.0, 2.0, 3.0, 8.0])
    assert regression_metrics(predictions, labels) == {
        # Ranks 1 2 4 3 and 1 2 3 4: 1 - 6 * 2 / (4 * 15).
        "spearman": pytest.approx(0.8),
        "pearson": pytest.approx(np.corrcoef(predictions, labels)[0, 1]),
        "mse": pytest.approx((1 + 25) / 4),
        "mae": pytest.approx((1 + 5) / 4),
    }


def test_equal_values_share_their_rank():
    figures = correlations(np.array([1, 1, 2, 3]), np.array([1, 2, 3, 4]))
    # Ranks 1.5 1.5 3 4 against 1 2 3 4.
    expected = np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1]
    assert figures["spearman"] == pytest.approx(expected)


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_constant_predictions_know_nothing(noise):
    labels = np.array([1.0, 2.0, 3.0, 4.0])
    # The same number up to float32's rounding, which must not pass for knowledge.
    constant = 2.5 + noise * np.array([-1, 0, 0, 1])
    with warnings.catch_warnings(action="error"):
        figures = regression_metrics(constant, labels)
        assert correlations(labels, np.full(4, 3.0)) == correlations(constant, labels)
    assert figures["pearson"] == figures["spearman"] == 0.0
    assert figures["mse"] == pytest.approx(1.25)


def test_few_examples():
    assert correlations(np.array([1.0]), np.array([2.0])) == {
        "pearson": 0.0,
        "spearman": 0.0,
    }
    assert correlations(np.array([1.0, 2.0]), np.array([5.0, 4.0])) == {
        "pearson": pytest.approx(-1.0),
        "spearman": pytest.approx(-1.0),
    }


def test_predictions_that_are_no_numbers():
    with pytest.raises(InputError, match="predictions must be numbers.*1 of 2"):
        regression_metrics(np.array([1.0, -np.inf]), np.array([1.0, 2.0]))
