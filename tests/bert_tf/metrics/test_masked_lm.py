import numpy as np
import pytest

from bert_tf.metrics.masked_lm import masked_token_metrics


def test_by_hand():
    guesses = np.array([[5, 6, 7], [6, 5, 7], [7, 6, 5], [1, 2, 3]])
    assert masked_token_metrics(guesses, np.array([5, 5, 5, 5]), ks=(1, 2, 3)) == {
        "accuracy": 0.25,
        "accuracy_at_2": 0.5,
        "accuracy_at_3": 0.75,
    }


def test_more_guesses_asked_than_given():
    with pytest.raises(ValueError, match="Expected 5 guesses"):
        masked_token_metrics(np.zeros((2, 3), int), np.zeros(2, int))
