"""Prompts and the tokens that were chosen after them."""

from typing import NamedTuple

import tensorflow as tf

from bert_tf.models.base import Tensors

EMPTY = -1
"""What stands in a history where there is no token."""


class Prompt(NamedTuple):
    """What a search starts from: the model has read the prompts.

    Attributes:
        logits: float32 `[R, V]`, of the first new token.
        state: the model's, after the prompts.
        tokens: int32 `[R, P]`, each prompt at the right end, `EMPTY` before it.
        position: int32 `[R]`, of the first new token.
    """

    logits: tf.Tensor
    state: Tensors
    tokens: tf.Tensor
    position: tf.Tensor


def repeat(prompt: Prompt, count: int) -> Prompt:
    """Returns each row `count` times, one below the other."""
    if count == 1:
        return prompt
    return tf.nest.map_structure(lambda x: tf.repeat(x, count, axis=0), prompt)


def align_right(values: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Moves the first values of each row to its right end.

    Args:
        values: `[B, P, ...]`.
        lengths: int32 `[B]`, how many of them are the row's.

    Returns:
        The same shape; what stands before the row's values means nothing.
    """
    width = values.shape[1]
    places = tf.range(width) - (width - lengths)[:, tf.newaxis]
    return tf.gather(values, tf.maximum(places, 0), batch_dims=1)


def new_history(prompt_tokens: tf.Tensor, max_new_tokens: int) -> tf.Tensor:
    """Returns a history without new tokens."""
    return tf.pad(prompt_tokens, [[0, 0], [0, max_new_tokens]], constant_values=EMPTY)


def write_column(
    history: tf.Tensor, column: tf.Tensor | int, values: tf.Tensor
) -> tf.Tensor:
    """Returns a history, or what is as long, with a column replaced.

    Args:
        history: `[..., length]`.
        column: int32 scalar.
        values: `[...]`.
    """
    is_column = tf.range(history.shape[-1]) == column
    return tf.where(is_column, values[..., tf.newaxis], history)


def last_tokens(
    history: tf.Tensor, num_tokens: tf.Tensor | int, count: int
) -> tf.Tensor:
    """Returns the last `count` of the first `num_tokens`, `EMPTY` before the first."""
    padded = tf.pad(history, [[0, 0], [count, 0]], constant_values=EMPTY)
    size = [tf.shape(history)[0], count]
    found = tf.slice(padded, tf.stack([0, num_tokens]), size)
    return tf.ensure_shape(found, [history.shape[0], count])
