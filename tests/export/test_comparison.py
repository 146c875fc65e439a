"""How an artifact's outputs are judged."""

import re
import types

import numpy as np
import pytest

from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.pretraining import PretrainingTask
from export.check import verification
from export.check.comparison import Comparison, expected_of, failures, logits_of


def batch(**changes):
    return {
        "masked_lm_ids": np.array([[2, 0, 1], [1, 0, 0]]),
        "masked_lm_weights": np.array([[1, 1, 0], [1, 0, 0]], np.float32),
        "next_sentence_labels": np.array([[0], [1]]),
        **changes,
    }


def outputs(offset=0.0):
    masked_lm = np.zeros([2, 3, 3], np.float32)
    masked_lm[0, 0, 2] = 1  # right
    masked_lm[0, 1, 1] = 1  # wrong
    masked_lm[0, 2, 0] = 1  # padding
    masked_lm[1, 0, 1] = 1  # right
    next_sentence = np.array([[0, 1], [0, 1]], np.float32)
    return {
        "masked_lm_logits": masked_lm + np.float32(offset),
        "next_sentence_logits": next_sentence,
    }


def test_figures_are_sums_over_batches_divided_once():
    comparison = Comparison(PretrainingTask(), source=None)
    comparison.update(batch(), outputs(), outputs())
    nothing = np.array([[1, 0, 0], [0, 0, 0]], np.float32)
    comparison.update(batch(masked_lm_weights=nothing), outputs(0.25), outputs())
    result = comparison.result()
    assert result["max_abs_diff"] == 0.25
    assert result["masked_lm_accuracy"] == 3 / 4
    assert result["next_sentence_accuracy"] == 2 / 4


def test_the_difference_of_either_head_counts():
    comparison = Comparison(PretrainingTask(), source=None)
    found = outputs()
    found["next_sentence_logits"] = found["next_sentence_logits"] - 2
    comparison.update(batch(), found, outputs())
    comparison.update(batch(), outputs(), outputs())
    result = comparison.result()
    assert result["max_abs_diff"] == 2
    numbers = sum(values.size for values in found.values())
    of_head = 2 * found["next_sentence_logits"].size
    assert result["mean_abs_diff"] == pytest.approx(of_head / (2 * numbers))


def artifact(**changes):
    return {
        "path": "it",
        "quantized": False,
        "max_abs_diff": 1e-5,
        "masked_lm_accuracy_drop": 0.0,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_abs_diff": 2e-4}, "it: its logits differ .* 0.0002; at most 0.0001"),
        ({"max_abs_diff": float("nan")}, "it: its logits differ"),
        (
            {"quantized": True, "masked_lm_accuracy_drop": 0.02},
            "it: masked_lm_accuracy is 0.0200 below .* at most 0.01",
        ),
    ],
)
def test_too_far_off(changes, message):
    (found,) = failures([artifact(), artifact(**changes)], "masked_lm_accuracy", 0.01)
    assert re.match(message, found)


def test_near_enough():
    quantized = artifact(
        quantized=True, max_abs_diff=0.5, masked_lm_accuracy_drop=0.009
    )
    assert failures([artifact(), quantized], "masked_lm_accuracy", 0.01) == []


def test_not_a_number_is_never_near():
    comparison = Comparison(PretrainingTask(), source=None)
    comparison.update(batch(), outputs(float("nan")), outputs())
    comparison.update(batch(), outputs(), outputs())
    (found,) = failures([artifact(**comparison.result())], "masked_lm_accuracy", 0.01)
    assert "differ" in found


@pytest.mark.parametrize("task", ["classification", "multi_label"])
def test_probabilities_in_place_of_logits(task):
    """As files for MediaPipe give them; classes are told by differences of logits."""
    task = types.SimpleNamespace(name=task)
    logits = {"logits": np.array([[3.0, -8.0, 0.5], [-4.0, 2.0, 2.5]], np.float32)}
    given = {"probabilities": None}
    probabilities = expected_of(task, given, logits)
    powers = np.exp(logits["logits"])
    expected = powers / (1 + powers)
    if task.name == "classification":
        expected = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities["probabilities"], expected, rtol=1e-5)
    found = logits_of(task, probabilities)["logits"]
    if task.name == "classification":
        found = found - found[:, :1] + logits["logits"][:, :1]
    np.testing.assert_allclose(found, logits["logits"], atol=1e-4)
    # Impossible ones stay numbers, and others are left as they are.
    assert np.isfinite(logits_of(task, {"probabilities": np.eye(2)})["logits"]).all()
    assert expected_of(task, logits, logits) is logits is logits_of(task, logits)
    task.name = "regression"
    assert logits_of(task, probabilities) is probabilities


def test_labelled_examples_of_all_lengths_are_compared():
    lengths = np.arange(1, 41)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    encoded = EncodedExamples(np.ones(starts[-1], np.int32), starts, lengths)
    source = LabelledSource(encoded, 40, seed=None)
    task = types.SimpleNamespace(open_held_out=lambda path, vocabulary: source)
    trained = types.SimpleNamespace(
        task=task, folder=types.SimpleNamespace(vocabulary=None)
    )

    def compared(count):
        found = verification.open_source(trained, "held_out.csv", count)
        assert found.num_positions(count) == min(count, 40)
        return lengths[found.order]

    drawn = compared(20)
    assert 15 < drawn.mean() < 26
    assert compared(20).tolist() == drawn.tolist() == sorted(drawn, reverse=True)
    assert compared(500).tolist() == lengths[::-1].tolist()
