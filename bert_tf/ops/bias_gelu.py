"""`gelu(x + bias)`, alone and together with the product that follows it in a block."""

import math
from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.matmul import matmul

_TANH_SCALE = math.sqrt(2.0 / math.pi)
_TANH_CUBIC = 0.044715


def bias_gelu(
    x: tf.Tensor, bias: tf.Tensor, *, approximate: bool, fused: bool
) -> tf.Tensor:
    """Adds a bias and applies GELU.

    Args:
        x: `[..., units]`, any float dtype; computed in float32.
        bias: float32 `[units]`.
        approximate: True for the tanh approximation of google-research/bert, False
            for the exact function with erf.
        fused: one compiled function, for training, or plain operations.

    Returns:
        The dtype and shape of `x`.

    Source: Hendrycks and Gimpel 2016 (arXiv:1606.08415).
    """
    if not fused:
        y = gelu(tf.cast(x, tf.float32) + bias, approximate=approximate)
        return tf.cast(y, x.dtype)

    @tf.custom_gradient
    def function(x: tf.Tensor, bias: tf.Tensor) -> Any:
        def gradient(dy: tf.Tensor) -> Any:
            return _backward(x, bias, dy, approximate=approximate)[:2]

        return _forward(x, bias, approximate=approximate), gradient

    return function(x, tf.convert_to_tensor(bias))


def gelu(x: tf.Tensor, *, approximate: bool) -> tf.Tensor:
    """Applies GELU as plain operations, in float32.

    They are those that TensorFlow's graph optimizer knows: right behind a product and
    its bias they become one kernel with these, where the machine has such a kernel.
    """
    y = tf.nn.gelu(tf.cast(x, tf.float32), approximate=approximate)
    return tf.cast(y, x.dtype)


def bias_gelu_matmul(
    x: tf.Tensor,
    bias: tf.Tensor,
    kernel: tf.Tensor,
    *,
    approximate: bool,
    fused: bool,
) -> tf.Tensor:
    """Adds a bias, applies GELU and multiplies by a kernel.

    The activations between a feed-forward network's products are a quarter of what its
    transformer block would keep for the backward pass; here that pass computes them
    again while it has their inputs at hand.

    Args:
        x: `[..., units]`, any float dtype; GELU is computed in float32.
        bias: float32 `[units]`.
        kernel: `[units, outputs]`, the dtype of `x`.
        approximate: see `bias_gelu`.
        fused: see `bias_gelu`.

    Returns:
        `[..., outputs]`, the dtype of `x`.
    """
    if not fused:
        y = bias_gelu(x, bias, approximate=approximate, fused=False)
        return matmul(y, kernel)

    @tf.custom_gradient
    def function(x: tf.Tensor, bias: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(doutputs: tf.Tensor) -> Any:
            doutputs = tf.reshape(doutputs, [-1, kernel.shape[1]])
            dy = tf.matmul(doutputs, kernel, transpose_b=True)
            dx, dbias, y = _backward(
                x, bias, tf.reshape(dy, tf.shape(x)), approximate=approximate
            )
            rows = tf.reshape(y, [-1, kernel.shape[0]])
            return dx, dbias, tf.matmul(rows, doutputs, transpose_a=True)

        return matmul(_forward(x, bias, approximate=approximate), kernel), gradient

    return function(x, tf.convert_to_tensor(bias), tf.convert_to_tensor(kernel))


@compiled
def _forward(x: tf.Tensor, bias: tf.Tensor, *, approximate: bool) -> tf.Tensor:
    y = tf.cast(x, tf.float32) + bias
    cdf, _ = _cdf_and_density(y, approximate)
    return tf.cast(y * cdf, x.dtype)


@compiled
def _backward(
    x: tf.Tensor, bias: tf.Tensor, dy: tf.Tensor, *, approximate: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the gradients of `x` and of the bias, and the forward pass' result."""
    y = tf.cast(x, tf.float32) + bias
    cdf, density = _cdf_and_density(y, approximate)
    dx = tf.cast(dy, tf.float32) * (cdf + y * density)
    dbias = tf.reduce_sum(dx, axis=list(range(dx.shape.rank - 1)))
    return tf.cast(dx, x.dtype), dbias, tf.cast(y * cdf, x.dtype)


def _cdf_and_density(y: tf.Tensor, approximate: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the normal distribution's function, or its approximation, and slope."""
    if approximate:
        # (1 + tanh(u)) / 2 is sigmoid(2u), and XLA's exp is faster than its tanh.
        square = tf.square(y)
        u = _TANH_SCALE * y * (1.0 + _TANH_CUBIC * square)
        cdf = 1.0 / (1.0 + tf.exp(-2.0 * u))
        slope = 2.0 * _TANH_SCALE * (1.0 + 3.0 * _TANH_CUBIC * square)
        return cdf, cdf * (1.0 - cdf) * slope
    cdf = 0.5 * (1.0 + tf.math.erf(y * math.sqrt(0.5)))
    return cdf, tf.exp(-0.5 * tf.square(y)) * (1.0 / math.sqrt(2.0 * math.pi))
