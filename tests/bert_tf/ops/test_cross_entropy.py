import numpy as np
import pytest
import tensorflow as tf
from float64_reference import relative_error

from bert_tf.ops.cross_entropy import cross_entropy, is_highest


@pytest.mark.parametrize("magnitude", [1.0, 1e4])
@pytest.mark.parametrize("shape", [(2, 3, 101), (1, 2), (5, 1)])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 3e-6), ("bfloat16", 5e-3)]
)
def test_value_and_gradient(shape, magnitude, dtype, tolerance):
    rng = np.random.default_rng(0)
    logits = tf.cast(rng.normal(0, magnitude, shape), dtype)
    labels = rng.integers(0, shape[-1], shape[:-1])
    weights = rng.uniform(size=shape[:-1])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = cross_entropy(logits, tf.constant(labels, tf.int32))
        total = tf.reduce_sum(losses * tf.constant(weights, tf.float32))

    exact = np.asarray(tf.cast(logits, tf.float64))
    exact = exact - exact.max(-1, keepdims=True)
    probabilities = np.exp(exact) / np.exp(exact).sum(-1, keepdims=True)
    chosen = np.take_along_axis(exact, labels[..., None], -1)[..., 0]
    expected = np.log(np.exp(exact).sum(-1)) - chosen
    is_label = np.arange(shape[-1]) == labels[..., None]
    expected_gradient = (probabilities - is_label) * weights[..., None]
    assert losses.dtype == tf.float32
    assert relative_error(losses, expected) < 3e-6
    gradient = tape.gradient(total, logits)
    assert gradient.dtype == logits.dtype
    assert relative_error(gradient, expected_gradient) < tolerance


def test_is_highest_means_argmax():
    logits = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    for label in range(6):
        labels = np.full(50, label, np.int32)
        np.testing.assert_array_equal(
            is_highest(logits, labels), logits.argmax(-1) == label
        )
