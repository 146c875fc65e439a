import numpy as np
import pytest
import sklearn.metrics

from bert_tf.metrics import multi_label
from bert_tf.metrics.classification import per_class, total

GENERATOR = np.random.default_rng(5)


def noisy(num_examples, num_classes):
    labels = (GENERATOR.uniform(size=(num_examples, num_classes)) < 0.3).astype(int)
    logits = GENERATOR.normal(size=labels.shape) + 2.0 * labels - 1.0
    return logits.astype(np.float32), labels


def test_against_scikit_learn():
    logits, labels = noisy(200, 4)
    probabilities = multi_label.sigmoid(logits)
    predictions = (probabilities >= 0.4).astype(int)
    figures = multi_label.multi_label_metrics(logits, labels, threshold=0.4)
    assert 0.0 < figures.pop("ece") < 0.3

    def f1(average):
        return sklearn.metrics.f1_score(labels, predictions, average=average)

    def precision(average):
        return sklearn.metrics.average_precision_score(
            labels, probabilities, average=average
        )

    assert figures == pytest.approx(
        {
            "f1_micro": f1("micro"),
            "f1_macro": f1("macro"),
            "subset_accuracy": sklearn.metrics.accuracy_score(labels, predictions),
            "average_precision_micro": precision("micro"),
            "average_precision_macro": precision("macro"),
            "nll": sklearn.metrics.log_loss(labels.ravel(), probabilities.ravel()),
            "threshold": 0.4,
        }
    )
    expected = sklearn.metrics.precision_recall_fscore_support(labels, predictions)
    received = [
        (f.precision, f.recall, f.f1, f.support)
        for f in per_class(predictions, labels, list("abcd"))
    ]
    np.testing.assert_allclose(received, np.transpose(expected))


def test_a_single_class_and_classes_without_examples():
    logits, labels = noisy(50, 1)
    one = multi_label.multi_label_metrics(logits, labels)
    truth, predictions = labels[:, 0], logits[:, 0] >= 0
    assert one["f1_micro"] == sklearn.metrics.f1_score(truth, predictions)
    assert one["average_precision_macro"] == one["average_precision_micro"]
    padded = np.pad(labels, ((0, 0), (0, 1)))
    never = np.pad(logits, ((0, 0), (0, 1)), constant_values=-9.0)
    two = multi_label.multi_label_metrics(never, padded)
    assert two["f1_macro"] == one["f1_macro"]
    assert two["average_precision_macro"] == one["average_precision_macro"]
    none = multi_label.multi_label_metrics(never, np.zeros_like(padded))
    assert none["average_precision_macro"] == none["f1_micro"] == 0.0


def test_the_best_threshold_is_the_best_of_all():
    for _ in range(10):
        logits, labels = noisy(15, 2)
        # Few different values, so that many are equal.
        logits = logits.round()
        threshold = multi_label.best_threshold(logits, labels)

        def score(t, logits=logits, labels=labels):
            return total(per_class(multi_label.decide(logits, t), labels, "ab")).f1

        best = score(threshold)
        assert best == max(score(t) for t in np.linspace(0.001, 0.999, 100))
        # Not on the edge: rounding to float32 elsewhere decides nothing.
        assert np.abs(multi_label.sigmoid(logits) - threshold).min() > 1e-4


def test_the_threshold_nearest_to_a_half_is_taken_of_equally_good_ones():
    logits = np.array([[-5.0], [-4.0], [4.0], [5.0]])
    labels = np.array([[0], [0], [1], [1]])
    assert multi_label.best_threshold(logits, labels) == pytest.approx(0.5)
    assert multi_label.best_threshold(logits, np.ones_like(labels)) < 0.01


def test_a_probability_at_the_threshold_is_a_decision_for():
    assert multi_label.decide(np.array([[0.0, -1e-6]])).tolist() == [[1, 0]]
