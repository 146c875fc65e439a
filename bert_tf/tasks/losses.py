"""Losses and accuracies that several places need, as sums and weights.

Nothing here divides: the caller adds sums and weights over replicas and micro-batches
and divides once, so that the result does not depend on how a batch was split.
"""

import tensorflow as tf

from bert_tf.ops.cross_entropy import cross_entropy, is_highest


def masked_lm_loss(
    logits: tf.Tensor, label_ids: tf.Tensor, label_weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums the cross-entropy of the real masked positions and their weights.

    Args:
        logits: `[batch, max_predictions, vocab]`, any float dtype; computed in float32.
        label_ids: integers `[batch, max_predictions]`.
        label_weights: float32, same shape; 1.0 real, 0.0 padding.

    Returns:
        `(loss_sum, weight_sum)`, float32 scalars; nats and predictions.

    Raises:
        ValueError: static shapes disagree.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
    """
    _check_shapes(logits, label_ids=label_ids, label_weights=label_weights)
    label_weights = tf.cast(label_weights, tf.float32)
    losses = cross_entropy(logits, tf.cast(label_ids, tf.int32))
    return tf.reduce_sum(losses * label_weights), tf.reduce_sum(label_weights)


def masked_lm_accuracy(
    logits: tf.Tensor, label_ids: tf.Tensor, label_weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts the real masked positions predicted right.

    Args:
        logits: `[batch, max_predictions, vocab]`.
        label_ids: integers `[batch, max_predictions]`.
        label_weights: float32, same shape; 1.0 real, 0.0 padding.

    Returns:
        `(correct_sum, weight_sum)`, float32 scalars.

    Raises:
        ValueError: static shapes disagree.
    """
    _check_shapes(logits, label_ids=label_ids, label_weights=label_weights)
    label_weights = tf.cast(label_weights, tf.float32)
    correct = is_highest(logits, tf.cast(label_ids, tf.int32))
    return tf.reduce_sum(correct * label_weights), tf.reduce_sum(label_weights)


def next_sentence_loss(
    logits: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums the cross-entropy of the sentence pairs and counts them.

    Args:
        logits: `[batch, 2]` or `[batch, examples, 2]`, any float dtype; computed in
            float32.
        labels: integers, `[batch]`, `[batch, 1]` or `[batch, examples]`; 0 next, 1
            random.
        label_weights: float32, same shape; 1.0 real, 0.0 padding; None for all real.

    Returns:
        `(loss_sum, count)`, float32 scalars; nats and pairs.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
    """
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
    losses = cross_entropy(tf.reshape(logits, [-1, 2]), labels)
    weights = _pair_weights(labels, label_weights)
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)


def next_sentence_accuracy(
    logits: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts the sentence pairs predicted right.

    Args:
        logits: `[batch, 2]` or `[batch, examples, 2]`.
        labels: integers, `[batch]`, `[batch, 1]` or `[batch, examples]`; 0 next, 1
            random.
        label_weights: float32, same shape; 1.0 real, 0.0 padding; None for all real.

    Returns:
        `(correct_sum, count)`, float32 scalars.
    """
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
    weights = _pair_weights(labels, label_weights)
    correct = is_highest(tf.reshape(logits, [-1, 2]), labels)
    return tf.reduce_sum(correct * weights), tf.reduce_sum(weights)


def in_batch_contrastive_loss(
    vectors: tf.Tensor, pair_ids: tf.Tensor, is_second: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Sums the cross-entropy of finding each first text's second among all second ones.

    Args:
        vectors: `[texts, hidden]`, any float dtype; computed in float32.
        pair_ids: int32 `[texts]`, which texts are a pair; 0 where there is no text.
        is_second: bool `[texts]`, whether a text is the second of its pair.
        temperature: by which cosines are divided.

    Returns:
        Float32 scalar, in nats; to be divided by the number of pairs.

    Source: Henderson et al. 2017 (arXiv:1705.00652), section 4; with the cosine and a
    temperature, Chen et al. 2020 (arXiv:2002.05709), equation 1, in one direction.
    """
    units = tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1)
    logits = tf.matmul(units, units, transpose_b=True) / temperature
    candidates = (pair_ids > 0) & is_second
    same_pair = pair_ids[:, tf.newaxis] == pair_ids
    logits = tf.where(candidates, logits, logits.dtype.min)
    own = tf.reduce_sum(tf.where(candidates & same_pair, logits, 0.0), axis=-1)
    losses = tf.reduce_logsumexp(logits, axis=-1) - own
    return tf.reduce_sum(tf.where((pair_ids > 0) & ~is_second, losses, 0.0))


def grouped_cross_entropy(
    logits: tf.Tensor, group_ids: tf.Tensor, is_right: tf.Tensor
) -> tf.Tensor:
    """Sums the cross-entropy of the right entry of each group of logits.

    Args:
        logits: `[entries]`, any float dtype; computed in float32.
        group_ids: int32 `[entries]`, which belong together; 0 for no entry.
        is_right: float32 `[entries]`, 1.0 for one entry of each group.

    Returns:
        Float32 scalar, in nats; to be divided by the number of groups.
    """
    logits = tf.cast(logits, tf.float32)
    same = (group_ids[:, tf.newaxis] == group_ids) & (group_ids > 0)
    groups = tf.where(same, logits, logits.dtype.min)
    losses = tf.reduce_logsumexp(groups, axis=-1) - logits
    return tf.reduce_sum(tf.where((is_right > 0) & (group_ids > 0), losses, 0.0))


def _pair_weights(labels: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    if weights is None:
        return tf.ones(tf.shape(labels))
    return tf.cast(tf.reshape(weights, [-1]), tf.float32)


def _check_shapes(logits: tf.Tensor, **labels: tf.Tensor) -> None:
    expected = logits.shape[:-1]
    for name, tensor in labels.items():
        if not expected.is_compatible_with(tensor.shape):
            raise ValueError(
                f"`{name}` must have the shape of `logits` without its last axis, "
                f"{expected}. Received: {tensor.shape}"
            )
