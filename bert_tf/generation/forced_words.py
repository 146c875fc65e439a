"""Words that a sequence must hold before it may end."""

import numpy as np
import tensorflow as tf

from bert_tf.generation.config import Words
from bert_tf.generation.history import EMPTY, last_tokens


def force_words(
    scores: tf.Tensor,
    given: tf.Tensor,
    new_tokens: tf.Tensor,
    step: tf.Tensor | int,
    words: Words,
    end_id: int,
) -> tf.Tensor:
    """Keeps a sequence from ending without all words, and from running out of room.

    The words may come wherever they are likely. Once those still missing fill what is
    left, nothing else may come: the word that has begun first, then the others in
    their order.

    Args:
        scores: float32 `[R, V]`, as other rules left them.
        given: float32 `[R, V]`, as they were before: what must come keeps this score.
        new_tokens: int32 `[R, T]`.
        step: how many new tokens there are.
        words: token ids of each.
        end_id: the token that ends a sequence.

    Returns:
        Scores, -inf for what is excluded.
    """
    lengths = [len(word) for word in words]
    missing = ~tf.stack([_occurs(new_tokens, word) for word in words], axis=1)
    begun = tf.where(missing, _begun(new_tokens, step, words), -1)
    needed = tf.reduce_sum(tf.where(missing, lengths, 0), axis=1)
    # A word that has begun is given up by any other token: only whole ones count.
    must = needed >= new_tokens.shape[1] - step
    word = tf.argmax(begun, axis=1, output_type=tf.int32)
    place = tf.maximum(tf.gather(begun, word, batch_dims=1), 0)
    table = np.full([len(words), max(lengths)], EMPTY, np.int32)
    for row, each in zip(table, words, strict=True):
        row[: len(each)] = each
    token = tf.gather_nd(table, tf.stack([word, place], axis=1))

    tokens = tf.range(scores.shape[-1])
    is_missing = tf.reduce_any(missing, axis=1)[:, tf.newaxis]
    must = must[:, tf.newaxis] & is_missing
    scores = tf.where(is_missing & (tokens == end_id), float("-inf"), scores)
    forced = tf.where(tokens == token[:, tf.newaxis], given, float("-inf"))
    return tf.where(must, forced, scores)


def _occurs(new_tokens: tf.Tensor, word: tuple[int, ...]) -> tf.Tensor:
    """Returns bool `[R]`, whether the word is among the new tokens."""
    num_starts = new_tokens.shape[1] - len(word) + 1
    found = tf.ones_like(new_tokens[:, :num_starts], tf.bool)
    for place, token in enumerate(word):
        found &= new_tokens[:, place : place + num_starts] == token
    return tf.reduce_any(found, axis=1)


def _begun(new_tokens: tf.Tensor, step: tf.Tensor | int, words: Words) -> tf.Tensor:
    """Returns int32 `[R, words]`, how much of each word the last tokens are."""
    columns = []
    for word in words:
        begun = tf.zeros_like(new_tokens[:, 0])
        for count in range(1, len(word)):
            last = last_tokens(new_tokens, step, count)
            same = tf.reduce_all(last == word[:count], axis=1)
            begun = tf.where(same, count, begun)
        columns.append(begun)
    return tf.stack(columns, axis=1)
