"""Products of a batch's rows with a kernel."""

from collections.abc import Callable

import tensorflow as tf

from bert_tf.ops.shapes import leading_shape

Activation = Callable[[tf.Tensor], tf.Tensor]


def matmul(
    x: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor | None = None,
    activation: Activation | None = None,
) -> tf.Tensor:
    """Multiplies the last axis of `x` `[..., inputs]` by `[inputs, units]`.

    One matrix product over all leading axes: faster than a batched one, and
    exporters turn it into a fully connected layer. Bias and activation follow before
    these axes are back, since a runtime fuses into a product only what is next to it.

    Args:
        x: `[..., inputs]`.
        kernel: `[inputs, units]`, the dtype of `x`.
        bias: float32 `[units]`, added in float32; None for none.
        activation: of what comes out, elementwise; None for none.

    Returns:
        `[..., units]`, the dtype of `x`.
    """
    x, kernel = tf.convert_to_tensor(x), tf.convert_to_tensor(kernel)
    inputs, units = kernel.shape
    y = tf.matmul(x if x.shape.rank == 2 else tf.reshape(x, [-1, inputs]), kernel)
    if bias is not None:
        y = tf.cast(tf.nn.bias_add(tf.cast(y, tf.float32), bias), y.dtype)
    if activation is not None:
        y = activation(y)
    if x.shape.rank == 2:
        return y
    return tf.reshape(y, leading_shape(x, x.shape.rank - 1, [units]))
