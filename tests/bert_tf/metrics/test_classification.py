"""Against scikit-learn, and by hand where the definition is ours to choose."""

import math

import numpy as np
import pytest
import sklearn.metrics

from bert_tf.errors import InputError
from bert_tf.metrics import classification
from bert_tf.metrics.calibration import expected_calibration_error, reliability

GENERATOR = np.random.default_rng(3)


def noisy(num_examples, num_classes):
    """Logits that are right more often than not, and their labels."""
    labels = GENERATOR.integers(0, num_classes, num_examples)
    logits = GENERATOR.normal(size=(num_examples, num_classes)).astype(np.float32)
    logits[np.arange(num_examples), labels] += 1.0
    return logits, labels


@pytest.mark.parametrize("num_classes", [2, 5])
def test_against_scikit_learn(num_classes):
    logits, labels = noisy(300, num_classes)
    predictions = logits.argmax(-1)
    figures = classification.classification_metrics(logits, labels)
    log_probabilities = np.log(classification.softmax(logits))
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(labels, predictions),
        "f1_micro": sklearn.metrics.f1_score(labels, predictions, average="micro"),
        "f1_macro": sklearn.metrics.f1_score(labels, predictions, average="macro"),
        "matthews_correlation": sklearn.metrics.matthews_corrcoef(labels, predictions),
        "nll": -np.mean(log_probabilities[np.arange(300), labels]),
    }
    if num_classes == 2:
        expected["f1"] = sklearn.metrics.f1_score(labels, predictions)
    ece = figures.pop("ece")
    assert 0.0 < ece < 0.3
    assert figures == pytest.approx(expected)
    np.testing.assert_array_equal(
        classification.confusion_matrix(predictions, labels, num_classes),
        sklearn.metrics.confusion_matrix(labels, predictions),
    )


def test_each_class_against_scikit_learn():
    logits, labels = noisy(200, 4)
    names = ["a", "b", "c", "d", "never seen"]
    figures = classification.per_class(logits.argmax(-1), labels, names)
    expected = sklearn.metrics.precision_recall_fscore_support(
        labels, logits.argmax(-1), labels=range(5), zero_division=0.0
    )
    received = [(f.precision, f.recall, f.f1, f.support) for f in figures]
    np.testing.assert_allclose(received, np.transpose(expected))
    assert [f.name for f in figures] == names
    assert sum(f.predicted for f in figures) == 200


def test_classes_that_do_not_occur_leave_macro_f1_alone():
    logits = np.eye(4)[[0, 0, 1, 2]]
    figures = classification.classification_metrics(logits, np.array([0, 0, 1, 1]))
    # Class 2 was said to be, and counts with 0; class 3 never occurs.
    assert figures["f1_macro"] == pytest.approx((1.0 + 2 / 3 + 0.0) / 3)


def test_always_the_same_answer_has_no_correlation():
    logits = np.tile([3.0, 0.0], (4, 1))
    figures = classification.classification_metrics(logits, np.array([0, 0, 0, 1]))
    assert figures["accuracy"] == 0.75
    assert figures["matthews_correlation"] == figures["f1"] == 0.0
    one_class = classification.classification_metrics(logits, np.zeros(4, int))
    assert one_class["accuracy"] == 1.0
    assert all(math.isfinite(value) for value in one_class.values())


def test_order_and_batching_do_not_matter():
    logits, labels = noisy(97, 3)
    order = GENERATOR.permutation(97)
    assert classification.classification_metrics(
        logits[order], labels[order]
    ) == pytest.approx(classification.classification_metrics(logits, labels), rel=1e-12)


def test_large_logits_lose_no_likelihood():
    logits = np.array([[1000.0, 0.0], [0.0, 1000.0]], np.float32)
    figures = classification.classification_metrics(logits, np.array([0, 0]))
    assert figures["nll"] == 500.0


def test_choices_that_there_are_not():
    logits = np.array([[1.0, 2.0, -np.inf], [0.0, 0.0, 3.0]])
    labels = np.array([1, 0])
    expected = (math.log1p(math.exp(-1)) + math.log(2 + math.exp(3))) / 2
    assert classification.multiple_choice_metrics(logits, labels) == {
        "accuracy": 0.5,
        "nll": pytest.approx(expected),
    }


def test_reliability_by_hand():
    confidences = np.array([0.0, 0.05, 0.1, 0.25, 1.0, 0.95, 0.3])
    correct = np.array([0, 1, 0, 1, 1, 0, 1])
    bins = reliability(confidences, correct, num_bins=10)
    assert [(b.low, b.high) for b in bins][3] == pytest.approx((0.3, 0.4))
    # Intervals take in their upper end: 0.1 belongs to the first, 0.3 to the third.
    assert [b.count for b in bins] == [3, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[0].confidence, bins[0].accuracy) == pytest.approx((0.05, 1 / 3))
    assert (bins[1].confidence, bins[1].accuracy) == (0.0, 0.0)
    by_hand = (3 * (1 / 3 - 0.05) + 2 * (1 - 0.275) + 2 * (0.975 - 0.5)) / 7
    assert expected_calibration_error(bins) == pytest.approx(by_hand)


def test_a_calibrated_model_has_no_calibration_error():
    probability = GENERATOR.uniform(0.5, 1.0, 100_000)
    logits = np.stack([np.log(probability), np.log1p(-probability)], axis=-1)
    labels = (GENERATOR.uniform(size=100_000) > probability).astype(int)
    assert classification.classification_metrics(logits, labels)["ece"] < 0.01
    too_sure = classification.classification_metrics(5.0 * logits, labels)
    assert too_sure["ece"] > 0.1


def test_worst_errors_come_first():
    logits = np.array([[0.0, 2.0], [0.0, 5.0], [3.0, 0.0], [0.0, 2.0], [0.0, 9.0]])
    labels = np.array([0, 0, 0, 0, 1])
    assert classification.worst_errors(logits, labels, 10) == [1, 0, 3]
    assert classification.worst_errors(logits, labels, 2) == [1, 0]


def test_outputs_that_are_no_numbers():
    logits, labels = noisy(5, 3)
    logits[2:4, 1] = np.nan, np.inf
    with pytest.raises(InputError, match="2 of 5 examples.* example 2 "):
        classification.classification_metrics(logits, labels)


def test_inputs_of_different_lengths():
    logits, labels = noisy(5, 3)
    with pytest.raises(ValueError, match="'predictions': 5, 'labels': 4"):
        classification.classification_metrics(logits, labels[:4])
    with pytest.raises(ValueError, match="same number of examples"):
        classification.classification_metrics(logits[:0], labels[:0])
