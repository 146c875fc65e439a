"""What a search returns."""

from typing import Any, NamedTuple

import tensorflow as tf

from bert_tf.generation.history import EMPTY


class Generated(NamedTuple):
    """The sequences of each text, the best one first; n of them, a text.

    Attributes:
        token_ids: int32 `[B, n, T]`, without the prompt; the end token, if it came, and
            padding after it.
        lengths: int32 `[B, n]`, the end token counted.
        scores: float32 `[B, n]`, what the search compared: the sequence's
            log-probability, after all that was done to the tokens' scores in a beam
            search, divided by its length to the power of the length penalty; -inf if
            there is no such sequence. Contrastive search compares tokens by more than
            this.
        token_log_probs: float32 `[B, n, T]`, of each token by the model alone, natural
            logarithms; 0 after the end.
    """

    token_ids: tf.Tensor
    lengths: tf.Tensor
    scores: tf.Tensor
    token_log_probs: tf.Tensor


def log_prob_of(logits: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """Returns the log-probability of a token a row, `[R]`, from logits `[R, V]`."""
    chosen = tf.gather(logits, tokens, batch_dims=1)
    return chosen - tf.reduce_logsumexp(logits, axis=-1)


def lengths_of(tokens: tf.Tensor) -> tf.Tensor:
    """Returns how many tokens there are, of `[..., T]`."""
    return tf.reduce_sum(tf.cast(tokens != EMPTY, tf.int32), axis=-1)


def normalized(log_prob: tf.Tensor, length: tf.Tensor, penalty: Any) -> tf.Tensor:
    """Divides log-probabilities by lengths to the power of a penalty."""
    return log_prob / tf.cast(tf.maximum(length, 1), tf.float32) ** penalty


def finish(
    tokens: tf.Tensor, scores: tf.Tensor, token_log_probs: tf.Tensor, pad_id: int
) -> Generated:
    """Returns a result whose tokens are `EMPTY` after the end; `[B, n, T]`.

    A sequence whose score is -inf is none: nothing of it is returned.
    """
    exists = (scores > float("-inf"))[..., tf.newaxis]
    tokens = tf.where(exists, tokens, EMPTY)
    return Generated(
        tf.where(tokens == EMPTY, pad_id, tokens),
        lengths_of(tokens),
        scores,
        tf.where(exists, token_log_probs, 0.0),
    )
