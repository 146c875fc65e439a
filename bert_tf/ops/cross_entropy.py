"""The cross-entropy over a vocabulary, and whether the label scores highest."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled


def cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Computes `-log(softmax(logits)[label])`, compiled, with a gradient of its own.

    Args:
        logits: `[..., entries]`, any float dtype; computed in float32.
        labels: int32 `[...]`.
        label_smoothing: see `forward`.

    Returns:
        float32 `[...]`, nats.
    """
    smoothing = {"label_smoothing": label_smoothing}

    @tf.custom_gradient
    def function(logits: tf.Tensor) -> Any:
        losses, *powers_and_sums = forward(logits, labels, **smoothing)

        def gradient(dlosses: tf.Tensor) -> tf.Tensor:
            return backward(
                *powers_and_sums, labels, dlosses, dtype=logits.dtype, **smoothing
            )

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
    logits: tf.Tensor, labels: tf.Tensor, *, label_smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Computes the losses and what `backward` needs.

    Args:
        logits: `[..., entries]`, any float dtype; computed in float32.
        labels: int32 `[...]`.
        label_smoothing: the share of a label that goes to all entries alike.

    Returns:
        In float32: the losses `[...]`, in nats; e to the power of each logit less the
        highest of its row, `[..., entries]`; and 1 over their sums, `[...]`.

    Source: label smoothing: Szegedy et al. 2015 (arXiv:1512.00567), section 7.
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
    expected_logits = label_logits
    if label_smoothing:
        means = tf.reduce_mean(shifted, axis=-1)
        expected_logits += label_smoothing * (means - label_logits)
    return tf.math.log(sums) - expected_logits, powers, 1.0 / sums


@compiled
def backward(
    powers: tf.Tensor,
    inverse_sums: tf.Tensor,
    labels: tf.Tensor,
    dlosses: tf.Tensor,
    *,
    dtype: tf.DType,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """Computes the gradient of the logits, given that of the losses.

    Args:
        powers: float32 `[..., entries]`, from `forward`.
        inverse_sums: float32 `[...]`, from `forward`.
        labels: int32 `[...]`.
        dlosses: float32 `[...]`.
        dtype: of the result.
        label_smoothing: as in `forward`.

    Returns:
        `[..., entries]`.
    """
    num_entries = tf.shape(powers)[-1]
    is_label = tf.range(num_entries) == labels[..., None]
    scaled = powers * (inverse_sums * dlosses)[..., None]
    if label_smoothing:
        shares = dlosses * (label_smoothing / tf.cast(num_entries, tf.float32))
        scaled -= shares[..., None]
        dlosses *= 1.0 - label_smoothing
    return tf.cast(scaled - tf.where(is_label, dlosses[..., None], 0.0), dtype)
