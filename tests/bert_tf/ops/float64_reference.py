"""Compares an operation and its gradients with a reference in float64."""

import numpy as np
import tensorflow as tf

TOLERANCE = {"float32": 3e-6, "bfloat16": 6e-3}
DTYPES = ("float32", "bfloat16")


def relative_error(actual, expected):
    actual = np.asarray(tf.cast(actual, tf.float64))
    assert np.isfinite(actual).all()
    # Of a gradient that vanishes, the absolute error.
    norm = max(np.linalg.norm(expected), 0.1)
    return np.linalg.norm(actual - expected) / norm


def check(function, reference, inputs, parameters=(), *, dtype, seed=0, tolerance=None):
    """Holds values and gradients of all arguments to the reference's.

    Args:
        function: of `inputs` in `dtype` and `parameters` in float32.
        reference: the same function, of float64 tensors, differentiated by TensorFlow.
        inputs: arrays, rounded to `dtype` for both.
        parameters: arrays, rounded to float32 for both.
        dtype: what the operation runs in.
        seed: of the gradient that comes in.
        tolerance: relative error by norm; None for a single operation's in `dtype`.
    """
    tolerance = tolerance or TOLERANCE[dtype]
    tensors = [tf.cast(value, dtype) for value in inputs]
    tensors += [tf.cast(value, tf.float32) for value in parameters]
    exact = [tf.cast(tensor, tf.float64) for tensor in tensors]
    with tf.GradientTape() as tape, tf.GradientTape() as exact_tape:
        tape.watch(tensors)
        exact_tape.watch(exact)
        actual = tf.function(function, autograph=False)(*tensors)
        expected = reference(*exact)
    assert actual.dtype == tensors[0].dtype
    assert actual.shape == expected.shape
    assert relative_error(actual, expected) < tolerance
    incoming = np.random.default_rng(seed).normal(size=expected.shape)
    incoming = tf.cast(incoming, actual.dtype)
    gradients = tape.gradient(actual, tensors, output_gradients=incoming)
    expected_gradients = exact_tape.gradient(
        expected, exact, output_gradients=tf.cast(incoming, tf.float64)
    )
    for tensor, gradient, exact_gradient in zip(
        tensors, gradients, expected_gradients, strict=True
    ):
        assert gradient.dtype == tensor.dtype
        assert relative_error(gradient, exact_gradient) < tolerance


def mix(x, key=0):
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) + np.asarray(key, np.uint32)
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def keep_mask(shape, seed, rate):
    """Computes the dropout mask a second time, in NumPy."""
    golden_ratio = np.uint32(0x9E3779B9)
    seed = np.asarray(seed, np.int32).astype(np.uint32)
    first = mix(seed[:1] + golden_ratio)
    second = mix(seed[1:] + first)
    first = mix(first + second)
    counter = np.arange(np.prod(shape), dtype=np.uint32)
    hashed = mix((counter * golden_ratio) ^ first, second)
    return (hashed >= round(rate * 2**32)).reshape(shape)
