"""Rounding to int8, beside NumPy's integers and TensorFlow's own operations."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.ops import fake_quantization as fake

RANGES = [(-4.0, 5.0), (-0.17, 6.1), (0.5, 3.0), (-3.0, -1.0), (0.0, 0.0)]


def integers(x, minimum, maximum):
    """Returns int8 numbers, their scale and their zero point, in float64."""
    low, high = min(minimum, 0.0), max(maximum, 0.0)
    scale = max(high - low, 1e-9) / 255
    zero_point = int(np.rint(-128 - low / scale))
    return np.clip(np.rint(x / scale) + zero_point, -128, 127), scale, zero_point


def values(shape=(64, 33)):
    return np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("minimum", "maximum"), RANGES)
def test_activations_are_numbers_of_int8(minimum, maximum, fused):
    x = values()
    steps = fake.activation_steps(tf.constant(minimum), tf.constant(maximum))
    found = fake.round_activations(tf.constant(x), steps, fused=fused).numpy()
    numbers, scale, zero_point = integers(x.astype(np.float64), minimum, maximum)
    assert steps.zero_point == zero_point
    np.testing.assert_allclose(found, (numbers - zero_point) * scale, atol=1e-5)
    zero = fake.round_activations(tf.zeros([1]), steps, fused=fused)
    assert zero == 0.0


@pytest.mark.parametrize("fused", [False, True])
def test_values_and_gradients_are_those_of_tensorflow(fused):
    x, dy = tf.constant(values()), tf.constant(values()[::-1].copy())
    minimum, maximum = -4.0, 5.0
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        steps = fake.activation_steps(tf.constant(minimum), tf.constant(maximum))
        ours = fake.round_activations(x, steps, fused=fused)
        theirs = tf.quantization.fake_quant_with_min_max_vars(x, minimum, maximum)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    gradient = tape.gradient(ours, x, dy)
    np.testing.assert_array_equal(gradient, tape.gradient(theirs, x, dy))
    # The range moves, so that 0 is a step of it.
    clipped = (x < -113 * 9 / 255) | (x > 142 * 9 / 255)
    assert clipped.numpy().any()
    np.testing.assert_array_equal(gradient, tf.where(clipped, 0.0, dy))


def test_weights_are_those_of_tensorflow_and_pass_gradients():
    weight = tf.constant(values())
    bound = tf.reduce_max(tf.abs(weight), axis=0)
    with tf.GradientTape() as tape:
        tape.watch(weight)
        ours = fake.round_weight(weight, fake.weight_scale(weight, axis=0))
    theirs = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        weight, -bound, bound, narrow_range=True
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    dy = tf.constant(values()[::-1].copy())
    np.testing.assert_array_equal(tape.gradient(ours, weight, dy), dy)


def test_a_weight_of_zeros_stays_zero():
    zeros = tf.zeros([4, 3])
    rounded = fake.round_weight(zeros, fake.weight_scale(zeros, axis=0))
    np.testing.assert_array_equal(rounded, zeros)
