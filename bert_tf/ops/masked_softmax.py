"""From attention scores to attention probabilities."""

import tensorflow as tf

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
    del fused
    scores = tf.cast(scores_BNFT, tf.float32) * scale
    scores += tf.cast(1 - mask_BNFT, tf.float32) * _MASKED
    probabilities = dropout(tf.nn.softmax(scores), seed, rate)
    return tf.cast(probabilities, scores_BNFT.dtype)
