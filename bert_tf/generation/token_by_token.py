"""Searches that keep one sequence a row: greedy search and sampling."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.draws import draw
from bert_tf.generation.history import (
    EMPTY,
    Prompt,
    new_history,
    repeat,
    write_column,
)
from bert_tf.generation.processors import process
from bert_tf.generation.results import (
    Generated,
    finish,
    lengths_of,
    log_prob_of,
    normalized,
)
from bert_tf.generation.stepping import next_logits
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

_EXCLUDED = float("-inf")

# Takes processed scores `[R, V]` and the step, returns tokens, int32 `[R]`.
Choose = Callable[[tf.Tensor, tf.Tensor | int], tf.Tensor]


class Rows(NamedTuple):
    """Sequences that are growing.

    Attributes:
        step: int32, how many tokens each has got.
        history: int32 `[R, P + T]`.
        log_probs: float32 `[R, T]`.
        finished: bool `[R]`.
    """

    step: tf.Tensor
    history: tf.Tensor
    log_probs: tf.Tensor
    finished: tf.Tensor


def choice(config: GenerationConfig, seeds: tf.Tensor | None) -> Choose:
    """Returns how the next token is chosen.

    Args:
        config: the configuration.
        seeds: int32 `[R, 2]`, if tokens are drawn.
    """
    if not config.do_sample:
        return lambda scores, step: tf.argmax(scores, axis=1, output_type=tf.int32)
    return lambda scores, step: draw(scores, seeds, step, config)


def start(prompt: Prompt, config: GenerationConfig) -> Rows:
    """Returns rows without new tokens."""
    num_rows = tf.shape(prompt.tokens)[0]
    return Rows(
        tf.constant(0),
        new_history(prompt.tokens, config.max_new_tokens),
        tf.zeros([num_rows, config.max_new_tokens]),
        tf.zeros([num_rows], tf.bool),
    )


def grow(
    rows: Rows,
    logits: tf.Tensor,
    choose: Choose,
    config: GenerationConfig,
    end_id: int,
) -> Rows:
    """Gives each row that has not ended a token."""
    scores = process(logits, rows.history, rows.step, config, end_id)
    return append(rows, choose(scores, rows.step), scores, logits, config, end_id)


def append(
    rows: Rows,
    tokens: tf.Tensor,
    scores: tf.Tensor,
    logits: tf.Tensor,
    config: GenerationConfig,
    end_id: int,
) -> Rows:
    """Appends a token to each row that has not ended.

    A row whose token is excluded, since all are, ends without it, and with a
    log-probability of -inf.

    Args:
        rows: the rows.
        tokens: int32 `[R]`.
        scores: float32 `[R, V]`, that the tokens were chosen by.
        logits: float32 `[R, V]`, the same before the rules.
        config: the configuration.
        end_id: the token that ends a sequence.
    """
    excluded = tf.gather(scores, tokens, batch_dims=1) == _EXCLUDED
    log_prob = tf.where(excluded, _EXCLUDED, log_prob_of(logits, tokens))
    column = rows.history.shape[1] - config.max_new_tokens + rows.step
    written = tf.where(rows.finished | excluded, EMPTY, tokens)
    return Rows(
        rows.step + 1,
        write_column(rows.history, column, written),
        write_column(rows.log_probs, rows.step, tf.where(rows.finished, 0.0, log_prob)),
        rows.finished | excluded | (tokens == end_id),
    )


def latest_tokens(rows: Rows, max_new_tokens: int) -> tf.Tensor:
    """Returns the tokens of the last step, int32 `[R]`, `EMPTY` after the end."""
    return rows.history[:, rows.history.shape[1] - max_new_tokens + rows.step - 1]


def search(
    decoder: Decoder,
    prompt: Prompt,
    config: GenerationConfig,
    end_id: int,
    pad_id: int,
    seeds: tf.Tensor | None = None,
) -> Generated:
    """Finds sequences by the likeliest token of each step, or by draws.

    Args:
        decoder: the model.
        prompt: of B texts.
        config: the configuration.
        end_id: the token that ends a sequence.
        pad_id: what fills up the results.
        seeds: int32 `[B * num_return_sequences, 2]`, if tokens are drawn.

    Returns:
        `num_return_sequences` a text, the likeliest first.
    """
    rows = grow_all(decoder, prompt, choice(config, seeds), config, end_id)
    return sequences_of(rows, config, pad_id)


def sequences_of(rows: Rows, config: GenerationConfig, pad_id: int) -> Generated:
    """Returns what has been found, the likeliest sequence of each text first."""
    shape = [-1, config.num_return_sequences, config.max_new_tokens]
    tokens = tf.reshape(rows.history[:, -config.max_new_tokens :], shape)
    log_probs = tf.reshape(rows.log_probs, shape)
    scores = normalized(
        tf.reduce_sum(log_probs, -1), lengths_of(tokens), config.length_penalty
    )
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    tokens, scores, log_probs = (
        tf.gather(x, order, batch_dims=1) for x in (tokens, scores, log_probs)
    )
    return finish(tokens, scores, log_probs, pad_id)


def grow_all(
    decoder: Decoder,
    prompt: Prompt,
    choose: Choose,
    config: GenerationConfig,
    end_id: int,
) -> Rows:
    """Grows each row, once for each of its samples, until all have ended."""
    prompt = repeat(prompt, config.num_return_sequences)
    rows = grow(start(prompt, config), prompt.logits, choose, config, end_id)

    def unfinished(rows: Rows, state: Tensors) -> tf.Tensor:
        return (rows.step < config.max_new_tokens) & ~tf.reduce_all(rows.finished)

    def body(rows: Rows, state: Tensors) -> tuple[Rows, Tensors]:
        tokens = latest_tokens(rows, config.max_new_tokens)
        logits, state = next_logits(
            decoder, tokens, prompt.position + rows.step - 1, state
        )
        return grow(rows, logits, choose, config, end_id), state

    rows, _ = tf.while_loop(unfinished, body, (rows, prompt.state))
    return rows
