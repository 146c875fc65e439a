"""What is done to the next token's scores before a token is chosen.

Each function maps scores, float32 `[R, V]`, to scores; what is excluded gets -inf.
"""

import numpy as np
import tensorflow as tf

from bert_tf.generation.config import GenerationConfig, Words
from bert_tf.generation.forced_words import force_words
from bert_tf.generation.history import last_tokens

_EXCLUDED = float("-inf")


def process(
    scores: tf.Tensor,
    history: tf.Tensor,
    step: tf.Tensor | int,
    config: GenerationConfig,
    end_id: int,
) -> tf.Tensor:
    """Applies all that a configuration asks for, in Hugging Face's order.

    Args:
        scores: float32 `[R, V]`, logits or log-probabilities.
        history: int32 `[R, P + T]`.
        step: how many new tokens there are.
        config: the configuration.
        end_id: the token that ends a sequence.

    Source: Hugging Face transformers, `GenerationMixin._get_logits_processor`.
    """
    given = scores
    num_tokens = history.shape[1] - config.max_new_tokens + step
    penalty = config.repetition_penalty
    if not isinstance(penalty, int | float) or penalty != 1.0:
        scores = penalize_repetition(scores, history, penalty)
    if config.no_repeat_ngram_size:
        scores = exclude_repeated_ngrams(
            scores, history, num_tokens, config.no_repeat_ngram_size
        )
    # A sequence may end whatever is forbidden.
    words = tuple(word for word in config.forbidden_words if word != (end_id,))
    if words:
        scores = exclude_words(scores, history, num_tokens, words)
    if config.min_new_tokens:
        too_short = step < config.min_new_tokens
        scores = tf.where(too_short & _is_token(scores, end_id), _EXCLUDED, scores)
    if config.forced_words:
        new_tokens = history[:, -config.max_new_tokens :]
        scores = force_words(
            scores, given, new_tokens, step, config.forced_words, end_id
        )
    return scores


def penalize_repetition(
    scores: tf.Tensor, history: tf.Tensor, penalty: tf.Tensor | float
) -> tf.Tensor:
    """Divides positive scores of what occurred by the penalty, multiplies others by it.

    Source: Keskar et al. 2019, CTRL (arXiv:1909.05858), section 4.1.
    """
    # Another token, a real one, stands in where there is none.
    some_token = tf.reduce_max(history, axis=1, keepdims=True)
    tokens = tf.where(history < 0, some_token, history)
    found = tf.gather(scores, tokens, batch_dims=1)
    found = tf.where(found < 0, found * penalty, found / penalty)
    return tf.tensor_scatter_nd_update(scores, _indices(tokens), found)


def exclude_repeated_ngrams(
    scores: tf.Tensor, history: tf.Tensor, num_tokens: tf.Tensor | int, size: int
) -> tf.Tensor:
    """Excludes what would complete a sequence of `size` tokens that occurred before.

    Source: Paulus et al. 2017 (arXiv:1705.04304), section 2.5.
    """
    num_starts = history.shape[1] - size + 1
    if num_starts < 1:
        return scores
    following = history[:, size - 1 :]
    repeats = following >= 0
    begun = last_tokens(history, num_tokens, size - 1)
    for place in range(size - 1):
        token = begun[:, place, tf.newaxis]
        occurred = history[:, place : place + num_starts]
        repeats &= (occurred == token) & (token >= 0)
    return _exclude(scores, following, repeats)


def exclude_words(
    scores: tf.Tensor, history: tf.Tensor, num_tokens: tf.Tensor | int, words: Words
) -> tf.Tensor:
    """Excludes what would complete a forbidden word."""
    single = [word[0] for word in words if len(word) == 1]
    if single:
        excluded = np.zeros(scores.shape[-1], np.float32)
        excluded[single] = _EXCLUDED
        scores += excluded
    longer = [word for word in words if len(word) > 1]
    if longer:
        begun = last_tokens(history, num_tokens, max(map(len, longer)) - 1)
        completes = tf.stack(
            [tf.reduce_all(begun[:, 1 - len(w) :] == w[:-1], axis=1) for w in longer],
            axis=1,
        )
        last = tf.broadcast_to([word[-1] for word in longer], tf.shape(completes))
        scores = _exclude(scores, last, completes)
    return scores


def _exclude(scores: tf.Tensor, tokens: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
    """Excludes tokens, int32 `[R, tokens]`, where a mask of that shape says so."""
    limits = tf.where(where, _EXCLUDED, -_EXCLUDED)
    return tf.tensor_scatter_nd_min(scores, _indices(tf.maximum(tokens, 0)), limits)


def _indices(tokens: tf.Tensor) -> tf.Tensor:
    """Returns where the scores of tokens `[R, tokens]` are, `[R, tokens, 2]`."""
    rows = tf.broadcast_to(
        tf.range(tf.shape(tokens)[0])[:, tf.newaxis], tf.shape(tokens)
    )
    return tf.stack([rows, tokens], axis=-1)


def _is_token(scores: tf.Tensor, token: int) -> tf.Tensor:
    """Returns bool `[V]`, True at a token."""
    return tf.range(scores.shape[-1]) == token
