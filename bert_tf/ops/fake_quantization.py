"""Rounding to what int8 can hold, in float32: what an int8 file will compute.

Gradients pass straight through the rounding, and stop where values were clipped.

Source: Jacob et al. 2018 (arXiv:1712.05877), sections 2.1 and 3; straight-through:
Bengio et al. 2013 (arXiv:1308.3432).
"""

from typing import Any, NamedTuple

import tensorflow as tf

from bert_tf.ops.compiled import compiled

_LOWEST, _HIGHEST = -128.0, 127.0
# As ai-edge-quantizer does, so that nothing is divided by zero.
_LEAST_BOUND = 1e-9


class Steps(NamedTuple):
    """How int8 numbers stand for real ones: `(number - zero_point) * scale`.

    Attributes:
        scale: float32, the distance between neighbors.
        zero_point: float32, the integer that stands for 0.
    """

    scale: tf.Tensor
    zero_point: tf.Tensor


def activation_steps(minimum: tf.Tensor, maximum: tf.Tensor) -> Steps:
    """Returns the 255 steps of a range, moved so that 0 is one of them.

    Args:
        minimum: float32 scalar.
        maximum: float32 scalar.
    """
    low, high = tf.minimum(minimum, 0.0), tf.maximum(maximum, 0.0)
    scale = tf.maximum(high - low, _LEAST_BOUND) / (_HIGHEST - _LOWEST)
    return Steps(scale, tf.round(_LOWEST - low / scale))


def weight_scale(weight: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the scales of a weight's outputs: 127 steps on each side of 0.

    Args:
        weight: float32 matrix.
        axis: over which values share a scale.

    Returns:
        Float32, 1 long on `axis`.
    """
    bound = tf.reduce_max(tf.abs(weight), axis=axis, keepdims=True)
    return tf.maximum(bound, _LEAST_BOUND) / _HIGHEST


def round_activations(x: tf.Tensor, steps: Steps, *, fused: bool) -> tf.Tensor:
    """Rounds to the nearest step, and clips to the first and the last.

    Args:
        x: float32, any shape.
        steps: those of its range.
        fused: compiled functions, for training, or plain operations.

    Returns:
        The shape of `x`.
    """
    # Inverted here: runtimes multiply, and a compiler may do either with a division.
    scale, inverse, zero_point = steps.scale, 1.0 / steps.scale, steps.zero_point
    rounded = _fused_rounded if fused else _rounded
    stopped = _fused_gradient if fused else _gradient

    @tf.custom_gradient
    def function(x: tf.Tensor) -> Any:
        def gradient(dy: tf.Tensor) -> tf.Tensor:
            return stopped(x, inverse, zero_point, dy)

        return rounded(x, scale, inverse, zero_point), gradient

    return function(x)


def round_weight(weight: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Rounds to the nearest multiple of a scale; the gradient is the identity.

    Args:
        weight: float32.
        scale: see `weight_scale`; or that of a bias, which has too many steps to clip.
    """

    @tf.custom_gradient
    def function(weight: tf.Tensor) -> Any:
        return tf.round(weight / scale) * scale, lambda dy: dy

    return function(weight)


def _rounded(
    x: tf.Tensor, scale: tf.Tensor, inverse: tf.Tensor, zero_point: tf.Tensor
) -> tf.Tensor:
    number = tf.round(x * inverse) + zero_point
    return (tf.clip_by_value(number, _LOWEST, _HIGHEST) - zero_point) * scale


def _gradient(
    x: tf.Tensor, inverse: tf.Tensor, zero_point: tf.Tensor, dy: tf.Tensor
) -> tf.Tensor:
    number = x * inverse + zero_point
    inside = (number >= _LOWEST) & (number <= _HIGHEST)
    return tf.where(inside, dy, tf.zeros_like(dy))


_fused_rounded, _fused_gradient = compiled(_rounded), compiled(_gradient)
