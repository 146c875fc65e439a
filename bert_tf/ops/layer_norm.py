"""Layer normalization, alone and together with what precedes it in a block."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.dropout import dropout


def layer_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float, fused: bool
) -> tf.Tensor:
    """Normalizes the last axis, then scales and shifts it.

    Args:
        x: `[..., units]`, any float dtype; computed in float32.
        gamma: float32 `[units]`, the scale.
        beta: float32 `[units]`, the shift.
        epsilon: added to the variance.
        fused: one compiled function, for training, or plain operations.

    Returns:
        The dtype and shape of `x`.

    Source: Ba et al. 2016 (arXiv:1607.06450).
    """
    if not fused:
        return _norm(x, gamma, beta, epsilon=epsilon)

    @tf.custom_gradient
    def function(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
        def gradient(dy: tf.Tensor) -> Any:
            return _norm_backward(x, gamma, dy, epsilon=epsilon)

        return _norm_forward(x, gamma, beta, epsilon=epsilon), gradient

    return function(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


def dropout_add_layer_norm(
    x: tf.Tensor,
    bias: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    *,
    seed: tf.Tensor | None,
    rate: float,
    epsilon: float,
    fused: bool,
) -> tf.Tensor:
    """Ends a post-LN sub-layer: `layer_norm(residual + dropout(x + bias))`.

    Args:
        x: `[..., units]`, the sub-layer's last product; any float dtype, computed in
            float32.
        bias: float32 `[units]`.
        residual: the sub-layer's input, the dtype and shape of `x`.
        gamma: float32 `[units]`, the scale.
        beta: float32 `[units]`, the shift.
        seed: int32 `[2]`; None for no dropout.
        rate: share dropped.
        epsilon: added to the variance.
        fused: one compiled function, for training, or plain operations.

    Returns:
        The dtype and shape of `x`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), after Vaswani et al. 2017
    (arXiv:1706.03762), section 3.1.
    """
    if not fused:
        added = _add(x, bias, residual, seed, rate=rate)
        normed = layer_norm(added, gamma, beta, epsilon=epsilon, fused=False)
        return tf.cast(normed, x.dtype)

    @tf.custom_gradient
    def function(
        x: tf.Tensor,
        bias: tf.Tensor,
        residual: tf.Tensor,
        gamma: tf.Tensor,
        beta: tf.Tensor,
    ) -> Any:
        y, added = _block_forward(
            x, bias, residual, gamma, beta, seed, rate=rate, epsilon=epsilon
        )

        def gradient(dy: tf.Tensor) -> Any:
            return _block_backward(added, gamma, dy, seed, rate=rate, epsilon=epsilon)

        return y, gradient

    parameters = (tf.convert_to_tensor(p) for p in (bias, gamma, beta))
    bias, gamma, beta = parameters
    return function(x, bias, residual, gamma, beta)


def _normalize(y: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 `y` normalized, and one over its standard deviation."""
    centered = y - tf.reduce_mean(y, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)
    return centered * inverse, inverse


def _add(
    x: tf.Tensor,
    bias: tf.Tensor,
    residual: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    rate: float,
) -> tf.Tensor:
    y = dropout(tf.cast(x, tf.float32) + bias, seed, rate)
    return y + tf.cast(residual, tf.float32)


def _norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float
) -> tf.Tensor:
    normalized, _ = _normalize(tf.cast(x, tf.float32), epsilon)
    return tf.cast(normalized * gamma + beta, x.dtype)


_norm_forward = compiled(_norm)


def _norm_gradients(
    x: tf.Tensor, gamma: tf.Tensor, dy: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the gradients of the input, of gamma and of beta, in float32."""
    normalized, inverse = _normalize(tf.cast(x, tf.float32), epsilon)
    dy = tf.cast(dy, tf.float32)
    scaled = dy * gamma
    mean = tf.reduce_mean(scaled, axis=-1, keepdims=True)
    slope = tf.reduce_mean(scaled * normalized, axis=-1, keepdims=True)
    dx = inverse * (scaled - mean - normalized * slope)
    return dx, _sum_leading(dy * normalized), _sum_leading(dy)


@compiled
def _norm_backward(
    x: tf.Tensor, gamma: tf.Tensor, dy: tf.Tensor, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    dx, dgamma, dbeta = _norm_gradients(x, gamma, dy, epsilon)
    return tf.cast(dx, x.dtype), dgamma, dbeta


@compiled
def _block_forward(
    x: tf.Tensor,
    bias: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    rate: float,
    epsilon: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    added = _add(x, bias, residual, seed, rate=rate)
    return tf.cast(_norm(added, gamma, beta, epsilon=epsilon), x.dtype), added


@compiled
def _block_backward(
    added: tf.Tensor,
    gamma: tf.Tensor,
    dy: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    rate: float,
    epsilon: float,
) -> tuple[tf.Tensor, ...]:
    dadded, dgamma, dbeta = _norm_gradients(added, gamma, dy, epsilon)
    dx = dropout(dadded, seed, rate)
    return (
        tf.cast(dx, dy.dtype),
        _sum_leading(dx),
        tf.cast(dadded, dy.dtype),
        dgamma,
        dbeta,
    )


def _sum_leading(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x, axis=list(range(x.shape.rank - 1)))
