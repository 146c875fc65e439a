"""Dropout whose mask is a pure function of (seed, position).

A counter-based hash stands in for a random number generator: it costs a dozen integer
operations an element, which XLA fuses into the function around it, and the backward
pass recomputes the mask instead of storing it.

Seeds are int32 tensors of shape `[2]`. A caller folds the step, the replica and the
micro-batch into one with `fold_in`; the model splits it into one for every use.
"""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled

_GOLDEN_RATIO = 0x9E3779B9


def fold_in(seed: tf.Tensor, value: tf.Tensor | int) -> tf.Tensor:
    """Mixes a number, such as the step, into a seed.

    Args:
        seed: int32 `[2]`.
        value: an integer scalar, taken modulo 2**32.

    Returns:
        A seed unrelated to that of any other number, int32 `[2]`.
    """
    return _fold_in(seed, tf.cast(value, tf.uint32))


@compiled
def _fold_in(seed: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    counter = tf.stack([value, tf.bitwise.invert(value)])
    return tf.bitcast(hash_counter(counter, seed), tf.int32)


def split(seed: tf.Tensor | None, count: int) -> list[tf.Tensor | None]:
    """Returns `count` unrelated seeds, int32 `[2]` each; None for each of None."""
    return [None] * count if seed is None else _split(seed, count=count)


@compiled
def _split(seed: tf.Tensor, *, count: int) -> list[tf.Tensor]:
    counter = tf.cast(tf.range(2 * count), tf.uint32)
    seeds = tf.bitcast(hash_counter(counter, seed), tf.int32)
    return tf.unstack(tf.reshape(seeds, [count, 2]))


def keep_mask(shape: tf.Tensor, seed: tf.Tensor, rate: float) -> tf.Tensor:
    """Draws which elements dropout keeps.

    Args:
        shape: int32, the shape of the mask.
        seed: int32 `[2]`.
        rate: share dropped, in [0, 1).

    Returns:
        Booleans, True to keep.
    """
    counter = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
    threshold = tf.constant(round(rate * 2**32), tf.uint32)
    return tf.reshape(hash_counter(counter, seed) >= threshold, shape)


def dropout(x: tf.Tensor, seed: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Sets a share of the elements to 0 and scales the rest by `1 / (1 - rate)`.

    Plain operations, for use inside a fused function; `fused_dropout` stands alone.

    Args:
        x: any float dtype and shape.
        seed: int32 `[2]`; None for no dropout.
        rate: share dropped, in [0, 1).

    Returns:
        The dtype and shape of `x`.
    """
    if seed is None or rate == 0.0:
        return x
    mask = keep_mask(tf.shape(x), seed, rate)
    return tf.where(mask, x * tf.cast(1.0 / (1.0 - rate), x.dtype), tf.zeros_like(x))


def fused_dropout(x: tf.Tensor, seed: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Computes `dropout` as one compiled function with a gradient of its own."""
    if seed is None or rate == 0.0:
        return x

    @tf.custom_gradient
    def function(x: tf.Tensor) -> Any:
        # Dropout is linear: what it does to its input, it does to the gradient.
        return _dropout(x, seed, rate=rate), lambda dy: _dropout(dy, seed, rate=rate)

    return function(x)


_dropout = compiled(dropout)


def hash_counter(counter: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Maps uint32 counters to uint32 values that look random.

    The counters are spread by the golden ratio. Half of the key enters before the
    mixing and half inside, so that two streams are no shifts of one another.
    """
    seed = tf.bitcast(seed, tf.uint32)
    # Seeds that differ in a bit, such as those of two steps, get unrelated keys.
    first = _mix(seed[0] + _GOLDEN_RATIO)
    second = _mix(seed[1] + first)
    first = _mix(first + second)
    return _mix(tf.bitwise.bitwise_xor(counter * _GOLDEN_RATIO, first), second)


def _mix(x: tf.Tensor, key: tf.Tensor | int = 0) -> tf.Tensor:
    """Spreads every bit of `x` over all 32.

    Source: `lowbias32` of C. Wellons' hash-prospector, with a key added inside.
    """
    x = _xor_shift(x, 16) * 0x7FEB352D
    x = _xor_shift(x, 15) + key
    return _xor_shift(x * 0x846CA68B, 16)


def _xor_shift(x: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, bits))
