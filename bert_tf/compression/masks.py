"""Which weights stay: schedules, and masks of the largest scores."""

from collections.abc import Sequence

import tensorflow as tf

from bert_tf.ops.compiled import compiled

_INT32_MAX = 2**31 - 1


def cubic_progress(step: tf.Tensor, begin: int, end: int) -> tf.Tensor:
    """Returns how far a schedule has come: fast at first, slowly in the end.

    Args:
        step: int64, steps done before.
        begin: the first step that changes anything.
        end: the first step with nothing more to change.

    Returns:
        float64 scalar, 0 before `begin` and 1 from the step before `end` on.

    Source: Zhu and Gupta 2017 (arXiv:1710.01878), section 3, equation 1.
    """
    done = tf.cast(step + 1 - begin, tf.float64) / (end - begin)
    return 1.0 - (1.0 - tf.clip_by_value(done, 0.0, 1.0)) ** 3


def keep_largest(scores: Sequence[tf.Tensor], share: tf.Tensor) -> list[tf.Tensor]:
    """Returns masks of the largest scores of all tensors together.

    Args:
        scores: float32, of any shapes; finite.
        share: float64 scalar, how many of all are kept, rounded.

    Returns:
        float32, of the same shapes: 1 for what is kept, else 0. Of equal scores the
        first are.
    """
    keys = tf.concat([tf.reshape(_ordered(each), [-1]) for each in scores], 0)
    count = tf.cast(tf.round(share * keys.shape[0]), tf.int32)
    threshold = _largest_threshold(keys, count)
    above, equal = keys > threshold, keys == threshold
    missing = count - tf.reduce_sum(tf.cast(above, tf.int32))
    first = equal & (tf.cumsum(tf.cast(equal, tf.int32)) <= missing)
    mask = tf.cast(above | first, tf.float32)
    parts = tf.split(mask, [each.shape.num_elements() for each in scores])
    return [
        tf.reshape(part, each.shape) for part, each in zip(parts, scores, strict=True)
    ]


def block_sums(weights: tf.Tensor, block: Sequence[int]) -> tf.Tensor:
    """Returns the sum of each block, `[rows / block rows, columns / block columns]`."""
    return tf.reduce_sum(_in_blocks(weights, block), axis=[1, 3])


def multiply_blocks(
    weights: tf.Tensor, mask: tf.Tensor, block: Sequence[int]
) -> tf.Tensor:
    """Multiplies each block of weights by one number of a mask.

    Args:
        weights: float32 `[rows, columns]`.
        mask: float32 `[rows / block rows, columns / block columns]`.
        block: rows and columns of a block.
    """
    if tuple(block) == (1, 1):
        return weights * mask
    product = _in_blocks(weights, block) * mask[:, tf.newaxis, :, tf.newaxis]
    return tf.reshape(product, weights.shape)


@tf.custom_gradient
def straight_through(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns a mask whose gradient the scores get that it was made from.

    Source: Sanh et al. 2020 (arXiv:2005.07683), section 4, after Bengio et al. 2013
    (arXiv:1308.3432).
    """
    del scores
    return mask, lambda gradient: (gradient, None)


def _in_blocks(weights: tf.Tensor, block: Sequence[int]) -> tf.Tensor:
    """Maps `[rows, columns]` to `[R, block rows, C, block columns]`."""
    (rows, columns), (height, width) = weights.shape, block
    return tf.reshape(weights, [rows // height, height, columns // width, width])


def _ordered(scores: tf.Tensor) -> tf.Tensor:
    """Maps floats to int32 of the same order."""
    bits = tf.bitcast(scores + 0.0, tf.int32)  # Without the sign of a zero.
    return tf.where(bits < 0, tf.bitwise.bitwise_xor(bits, _INT32_MAX), bits)


@compiled
def _largest_threshold(keys: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the largest number that at least `count` keys are not below.

    Halving the range of int32 reads the keys 32 times, which is faster than to sort
    them.
    """

    def halve(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = (low + high) // 2
        reached = tf.reduce_sum(tf.cast(keys >= tf.cast(middle, tf.int32), tf.int32))
        enough = reached >= count
        return tf.where(enough, middle, low), tf.where(enough, high, middle)

    low, _ = tf.while_loop(
        lambda low, high: high - low > 1,
        halve,
        (tf.constant(-(2**31), tf.int64), tf.constant(2**31, tf.int64)),
    )
    return tf.cast(low, tf.int32)
