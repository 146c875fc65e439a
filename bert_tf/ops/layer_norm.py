"""Layer normalisation, alone and together with what precedes it in a block."""

import tensorflow as tf

from bert_tf.ops.dropout import dropout


def layer_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float, fused: bool
) -> tf.Tensor:
    """Normalises the last axis, then scales and shifts it.

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
    del fused
    y = tf.cast(x, tf.float32)
    centred = y - tf.reduce_mean(y, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    normalised = centred * tf.math.rsqrt(variance + epsilon)
    return tf.cast(normalised * gamma + beta, x.dtype)


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
    y = dropout(tf.cast(x, tf.float32) + bias, seed, rate)
    y = tf.cast(residual, tf.float32) + y
    return tf.cast(layer_norm(y, gamma, beta, epsilon=epsilon, fused=fused), x.dtype)
