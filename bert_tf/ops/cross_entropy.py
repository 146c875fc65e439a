"""The cross-entropy over a vocabulary, and whether the label scores highest."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Computes `-log(softmax(logits)[label])`, compiled, with a gradient of its own.

    Args:
        logits: `[..., entries]`, any float dtype; computed in float32.
        labels: int32 `[...]`.

    Returns:
        float32 `[...]`, nats.
    """

    @tf.custom_gradient
    def function(logits: tf.Tensor) -> Any:
        losses, powers, inverse_sums = forward(logits, labels)

        def gradient(dlosses: tf.Tensor) -> tf.Tensor:
            return backward(powers, inverse_sums, labels, dlosses, dtype=logits.dtype)

        return losses, gradient

    return function(logits)


@compiled
def is_highest(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Tells whether no entry scores higher than the label; faster than `argmax`.

    Args:
        logits: `[..., entries]`.
        labels: int32 `[...]`.

    Returns:
        float32 `[...]`, 1.0 or 0.0.
    """
    label_logits = tf.gather(logits, labels, batch_dims=labels.shape.rank)
    return tf.cast(label_logits >= tf.reduce_max(logits, axis=-1), tf.float32)


@compiled
def forward(
    logits: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Computes the losses and what `backward` needs.

    Args:
        logits: `[..., entries]`, any float dtype; computed in float32.
        labels: int32 `[...]`.

    Returns:
        In float32: the losses `[...]`, in nats; e to the power of each logit less the
        highest of its row, `[..., entries]`; and 1 over their sums, `[...]`.
    """
    logits = tf.cast(logits, tf.float32)
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    powers = tf.exp(shifted)
    # As a product, because XLA would fuse the exponential into a sum and compute it
    # one number at a time.
    ones = tf.ones([tf.shape(logits)[-1], 1])
    sums = tf.matmul(tf.reshape(powers, [-1, tf.shape(logits)[-1]]), ones)
    sums = tf.reshape(sums, tf.shape(labels))
    label_logits = tf.gather(shifted, labels, batch_dims=labels.shape.rank)
    return tf.math.log(sums) - label_logits, powers, 1.0 / sums


@compiled
def backward(
    powers: tf.Tensor,
    inverse_sums: tf.Tensor,
    labels: tf.Tensor,
    dlosses: tf.Tensor,
    *,
    dtype: tf.DType,
) -> tf.Tensor:
    """Computes the gradient of the logits, given that of the losses.

    Args:
        powers: float32 `[..., entries]`, from `forward`.
        inverse_sums: float32 `[...]`, from `forward`.
        labels: int32 `[...]`.
        dlosses: float32 `[...]`.
        dtype: of the result.

    Returns:
        `[..., entries]`.
    """
    entries = tf.range(tf.shape(powers)[-1])
    is_label = entries == labels[..., None]
    scaled = powers * (inverse_sums * dlosses)[..., None]
    return tf.cast(scaled - tf.where(is_label, dlosses[..., None], 0.0), dtype)
