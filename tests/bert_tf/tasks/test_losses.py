import numpy as np
import pytest
import tensorflow as tf

from bert_tf.tasks import losses


def reference_loss(logits, labels):
    exact = logits.astype(np.float64)
    exact -= exact.max(-1, keepdims=True)
    chosen = np.take_along_axis(exact, labels[..., None], -1)[..., 0]
    return np.log(np.exp(exact).sum(-1)) - chosen


def tensors(*arrays):
    return [tf.constant(array) for array in arrays]


@pytest.fixture
def masked_lm():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4, 5, 37)).astype(np.float32)
    labels = rng.integers(0, 37, (4, 5))
    labels[0, :2] = logits[0, :2].argmax(-1)  # Two are right.
    weights = (np.arange(5) < [[3], [5], [0], [1]]).astype(np.float32)
    return logits, labels, weights


def test_masked_lm(masked_lm):
    logits, labels, weights = masked_lm
    loss_sum, weight_sum = losses.masked_lm_loss(*tensors(logits, labels, weights))
    expected = (reference_loss(logits, labels) * weights).sum()
    np.testing.assert_allclose(loss_sum, expected, rtol=1e-6)
    assert float(weight_sum) == 9.0
    correct_sum, weight_sum = losses.masked_lm_accuracy(
        *tensors(logits, labels, weights)
    )
    assert float(correct_sum) == ((logits.argmax(-1) == labels) * weights).sum() >= 2
    assert float(weight_sum) == 9.0


def test_sums_do_not_depend_on_how_a_batch_is_split(masked_lm):
    whole = losses.masked_lm_loss(*tensors(*masked_lm))
    halves = [
        losses.masked_lm_loss(*tensors(*(value[part] for value in masked_lm)))
        for part in (slice(0, 1), slice(1, 4))
    ]
    np.testing.assert_allclose(whole, np.sum(halves, axis=0), rtol=1e-6)


@pytest.mark.parametrize("column", [False, True])
def test_next_sentence(column):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 2)).astype(np.float32)
    labels = rng.integers(0, 2, 6)
    weights = np.array([1, 1, 0, 1, 1, 0], np.float32)
    right = logits.argmax(-1) == labels
    args = (labels[:, None], weights[:, None]) if column else (labels, weights)
    loss_sum, count = losses.next_sentence_loss(logits, *args)
    expected = (reference_loss(logits, labels) * weights).sum()
    np.testing.assert_allclose(loss_sum, expected, rtol=1e-6)
    correct_sum, _ = losses.next_sentence_accuracy(logits, *args)
    assert (float(correct_sum), float(count)) == ((right * weights).sum(), 4.0)
    loss_sum, count = losses.next_sentence_loss(logits, args[0])
    np.testing.assert_allclose(loss_sum, reference_loss(logits, labels).sum(), 1e-6)
    assert float(count) == 6.0


def test_padding_may_hold_anything(masked_lm):
    logits, labels, weights = masked_lm
    padded = np.where(weights == 0, 36, labels)
    np.testing.assert_array_equal(
        losses.masked_lm_loss(*tensors(logits, labels, weights)),
        losses.masked_lm_loss(*tensors(logits, padded, weights)),
    )


def test_refuses_other_shapes():
    logits = tf.zeros([2, 3, 5])
    with pytest.raises(ValueError, match=r"`label_weights`.*\(2, 3\). Received: \(2,"):
        losses.masked_lm_loss(logits, tf.zeros([2, 3], tf.int32), tf.zeros([2, 4]))
    with pytest.raises(ValueError, match="`label_ids` must have the shape of `logits`"):
        losses.masked_lm_accuracy(logits, tf.zeros([3], tf.int32), tf.zeros([2, 3]))
