"""Products of a batch's rows with a kernel."""

from collections.abc import Callable

import tensorflow as tf

from bert_tf.ops.compiled import is_compiling
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
        y = tf.cast(add_bias(y, bias), y.dtype)
    if activation is not None:
        y = activation(y)
    if x.shape.rank == 2:
        return y
    return tf.reshape(y, leading_shape(x, x.shape.rank - 1, [units]))


def add_bias(product: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias to a product, in float32.

    As `bias_add`, which TensorFlow fuses into the product, unlike another addition.
    XLA for CPUs would fuse it into that of a single row, too, and then be half as slow
    again, since it multiplies on one thread (TensorFlow 2.21); a maximum that changes
    nothing keeps them apart.

    Args:
        product: `[rows, units]`, any float dtype.
        bias: float32 `[units]`.

    Returns:
        float32 `[rows, units]`.
    """
    product = tf.cast(product, tf.float32)
    if is_compiling() and product.shape[0] == 1:
        product = tf.maximum(product, product.dtype.min)
    return tf.nn.bias_add(product, bias)
