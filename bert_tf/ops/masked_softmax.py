"""From attention scores to attention probabilities."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.dropout import dropout

# Far below any score, so that a masked one gets probability 0; finite, so that a row
# with nothing to attend to gives equal probabilities instead of NaN.
_MASKED = -1e30


def masked_softmax(
    scores_BNFT: tf.Tensor,
    mask_BNFT: tf.Tensor,
    *,
    scale: float,
    seed: tf.Tensor | None,
    rate: float,
    fused: bool,
) -> tf.Tensor:
    """Computes `dropout(softmax(scores * scale))` over the unmasked scores.

    Shapes: B batch, N heads, F queries ("from"), T keys ("to").

    Args:
        scores_BNFT: products of queries and keys; any float dtype, computed in
            float32.
        mask_BNFT: int32, 1 where a query may attend to a key and 0 elsewhere; any
            axis but the last may be 1.
        scale: factor of the scores.
        seed: int32 `[2]`; None for no dropout.
        rate: share of the probabilities dropped.
        fused: one compiled function, for training, or plain operations.

    Returns:
        The dtype and shape of the scores. A row without any unmasked key attends to
        all keys alike.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.1.
    """
    if not fused:
        mask_BNFT = _one_for_each_row(mask_BNFT, scores_BNFT)
        scores = _masked_scores(scores_BNFT, mask_BNFT, scale)
        probabilities = dropout(tf.nn.softmax(scores), seed, rate)
        return tf.cast(probabilities, scores_BNFT.dtype)

    @tf.custom_gradient
    def function(scores: tf.Tensor) -> Any:
        dropped, probabilities = _forward(
            scores, mask_BNFT, seed, scale=scale, rate=rate
        )

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            return _backward(probabilities, dy, seed, scale=scale, rate=rate)

        return dropped, gradient

    return function(scores_BNFT)


def _one_for_each_row(mask_BNFT: tf.Tensor, scores_BNFT: tf.Tensor) -> tf.Tensor:
    """Returns a mask of all rows alike, a causal one, as one for each row.

    Of the product, its scale and the mask's sum TensorFlow's optimizer makes a single
    oneDNN operation, which takes 400 times as long for `[1, 1, F, T]` (2.21).
    """
    if mask_BNFT.shape[0] != 1 or mask_BNFT.shape[2] == 1 or scores_BNFT.shape[0] == 1:
        return mask_BNFT
    return tf.tile(mask_BNFT, [tf.shape(scores_BNFT)[0], 1, 1, 1])


def _masked_scores(scores: tf.Tensor, mask: tf.Tensor, scale: float) -> tf.Tensor:
    masked = tf.cast(1 - mask, tf.float32) * _MASKED
    return tf.cast(scores, tf.float32) * scale + masked


@compiled
def _forward(
    scores: tf.Tensor,
    mask: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    scale: float,
    rate: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    probabilities = tf.nn.softmax(_masked_scores(scores, mask, scale))
    dropped = dropout(probabilities, seed, rate)
    return tf.cast(dropped, scores.dtype), tf.cast(probabilities, scores.dtype)


@compiled
def _backward(
    probabilities: tf.Tensor,
    dy: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    scale: float,
    rate: float,
) -> tf.Tensor:
    probabilities = tf.cast(probabilities, tf.float32)
    dprobabilities = dropout(tf.cast(dy, tf.float32), seed, rate)
    weighted = probabilities * dprobabilities
    mean = tf.reduce_sum(weighted, axis=-1, keepdims=True)
    return tf.cast(scale * (weighted - probabilities * mean), dy.dtype)
