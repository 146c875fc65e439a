"""Products of a batch's rows with a kernel."""

import tensorflow as tf


def matmul(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiplies the last axis of `x` `[..., inputs]` by `[inputs, units]`.

    One matrix product over all leading axes: faster than a batched one, and
    exporters turn it into a fully connected layer.
    """
    kernel = tf.convert_to_tensor(kernel)
    outputs = tf.matmul(tf.reshape(x, [-1, kernel.shape[0]]), kernel)
    leading = [
        size if size is not None else tf.shape(x)[axis]
        for axis, size in enumerate(x.shape[:-1])
    ]
    return tf.reshape(outputs, [*leading, kernel.shape[1]])
