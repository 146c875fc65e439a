"""Losses over the places of a sequence, which may share its row with others."""

import tensorflow as tf

from bert_tf.tasks.endpoint import Batch

# Beside it no logit counts, and times 0 it is 0.
_NEVER = -1e9


def logits_of_sequences(logits: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Returns the logits of each sequence's own positions; those of others never count.

    Args:
        logits: float32 `[batch, length]`.
        batch: packed or not.

    Returns:
        float32 `[batch, sequences, length]`.
    """
    inside = batch["input_mask"][:, tf.newaxis, :] == 1
    if "example_ids" in batch:
        count = tf.shape(batch["example_weights"])[1]
        number = tf.range(1, count + 1)[:, tf.newaxis]
        inside = batch["example_ids"][:, tf.newaxis, :] == number
    return tf.where(inside, logits[:, tf.newaxis, :], _NEVER)


def span_cross_entropy(
    logits: tf.Tensor, batch: Batch, positions: tf.Tensor
) -> tf.Tensor:
    """Returns how unlikely a position is among those of its own sequence.

    Args:
        logits: float32 `[batch, length]`.
        batch: packed or not.
        positions: int32 `[batch, sequences]`, within each sequence.

    Returns:
        float32 `[batch, sequences]`, nats.
    """
    own = logits_of_sequences(logits, batch)
    if "example_ids" in batch:
        positions += batch["cls_positions"]
    label_logits = tf.gather(logits, positions, batch_dims=1)
    return tf.reduce_logsumexp(own, axis=-1) - label_logits
