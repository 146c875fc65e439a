"""Shapes of tensors some of whose sizes are known only at run time."""

from collections.abc import Sequence

import tensorflow as tf


def leading_shape(
    x: tf.Tensor, num_axes: int, sizes: Sequence[int]
) -> list[int] | tf.Tensor:
    """Returns the shape of `x`'s first axes with other ones behind them.

    What a graph spends on shapes is most of a small model's time, so this takes as few
    operations as it can: none where at most one size is unknown.

    Args:
        x: a tensor of known rank.
        num_axes: how many of its axes to keep; those left out hold as many elements
            as `sizes`.
        sizes: of the axes behind them.
    """
    static = x.shape[:num_axes].as_list()
    if static.count(None) <= 1:
        return [*(-1 if size is None else size for size in static), *sizes]
    if x.shape[num_axes:].as_list() == list(sizes):
        return tf.shape(x)
    return tf.concat([tf.shape(x)[:num_axes], sizes], axis=0)
