"""Buffers of fixed size that grow with what is generated."""

import tensorflow as tf


def write_positions(
    buffer_BNTD: tf.Tensor, new_BNFD: tf.Tensor, offset_B: tf.Tensor
) -> tf.Tensor:
    """Returns a buffer with some of its positions replaced.

    TensorFlow writes in place where nothing else needs the old buffer.

    Args:
        buffer_BNTD: by row, head and position.
        new_BNFD: what to write, the same dtype.
        offset_B: int32, the first position to write, of each row; F from there on must
            be positions of the buffer.

    Returns:
        The shape of the buffer.
    """
    batch, heads, length, _ = tf.unstack(tf.shape(new_BNFD))
    rows = tf.range(batch)[:, tf.newaxis, tf.newaxis]
    columns = tf.range(heads)[:, tf.newaxis]
    places = offset_B[:, tf.newaxis, tf.newaxis] + tf.range(length)
    shape = tf.stack([batch, heads, length])
    indices = [tf.broadcast_to(index, shape) for index in (rows, columns, places)]
    return tf.tensor_scatter_nd_update(buffer_BNTD, tf.stack(indices, -1), new_BNFD)
