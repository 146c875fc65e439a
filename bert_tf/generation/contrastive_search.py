"""Contrastive search: likely tokens that are unlike those before them."""

from typing import Any

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import EMPTY, Prompt, repeat
from bert_tf.generation.processors import process
from bert_tf.generation.results import Generated
from bert_tf.generation.stepping import next_hidden, reorder
from bert_tf.generation.token_by_token import Rows, append, sequences_of, start
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

_EXCLUDED = float("-inf")


def search(
    decoder: Decoder,
    prompt: Prompt,
    hidden: tf.Tensor,
    config: GenerationConfig,
    end_id: int,
    pad_id: int,
) -> Generated:
    """Finds a sequence a text, each token by probability and a degeneration penalty.

    The model is fed each of the `top_k` likeliest tokens. That one is kept whose
    `(1 - penalty_alpha) * probability - penalty_alpha * similarity` is highest, where
    the similarity is the highest cosine of its last hidden state and that of a token
    before it, those of the prompt among them.

    Args:
        decoder: the model.
        prompt: of B texts.
        hidden: `[B, P, hidden]`, of the prompt's tokens.
        config: the configuration; `penalty_alpha` may be `[B, 1]`.
        end_id: the token that ends a sequence.
        pad_id: what fills up the results.

    Returns:
        A sequence a text.

    Source: Su et al. 2022 (arXiv:2202.06417), section 4; Hugging Face transformers 4,
    `GenerationMixin._contrastive_search`, which, unlike this, may choose an excluded
    token where fewer than `top_k` are left.
    """
    count = config.top_k
    candidates = repeat(prompt, count)
    first = tf.range(tf.shape(prompt.tokens)[0]) * count
    # Of the history's tokens, in their places.
    directions = tf.pad(_unit(hidden), [[0, 0], [0, config.max_new_tokens], [0, 0]])

    def unfinished(rows: Rows, *others: tf.Tensor | Tensors) -> tf.Tensor:
        return (rows.step < config.max_new_tokens) & ~tf.reduce_all(rows.finished)

    def body(
        rows: Rows, directions: tf.Tensor, logits: tf.Tensor, state: Tensors
    ) -> tuple[Rows, tf.Tensor, tf.Tensor, Tensors]:
        scores = process(logits, rows.history, rows.step, config, end_id)
        highest, tokens = tf.math.top_k(scores, count)
        position = candidates.position + rows.step
        fed, state = next_hidden(decoder, tf.reshape(tokens, [-1]), position, state)
        fed = tf.reshape(fed, [-1, count, fed.shape[-1]])
        units = _unit(fed)
        similarity = _similarity(units, directions, rows.history != EMPTY)
        values = _values(scores, highest, similarity, config.penalty_alpha)
        best = tf.argmax(values, axis=1, output_type=tf.int32)
        token = tf.gather(tokens, best, batch_dims=1)
        hidden, unit = (
            tf.gather(x, best, batch_dims=1)[:, tf.newaxis] for x in (fed, units)
        )

        column = rows.history.shape[1] - config.max_new_tokens + rows.step
        is_column = tf.range(directions.shape[1])[:, tf.newaxis] == column
        return (
            append(rows, token, scores, logits, config, end_id),
            tf.where(is_column, unit, directions),
            decoder.logits_of(hidden)[:, 0],
            reorder(state, tf.repeat(first + best, count)),
        )

    rows, *_ = tf.while_loop(
        unfinished,
        body,
        (start(prompt, config), directions, prompt.logits, candidates.state),
    )
    return sequences_of(rows, config, pad_id)


def _unit(hidden: tf.Tensor) -> tf.Tensor:
    """Returns vectors of length 1, float32, in the direction of others."""
    return tf.math.l2_normalize(tf.cast(hidden, tf.float32), axis=-1)


def _values(
    scores: tf.Tensor, highest: tf.Tensor, similarity: tf.Tensor, alpha: Any
) -> tf.Tensor:
    """Returns what each candidate is worth, `[B, K]`; -inf if it is excluded.

    Args:
        scores: `[B, V]`, processed.
        highest: `[B, K]`, those of the candidates.
        similarity: `[B, K]`.
        alpha: weight of the similarity, a number or `[B, 1]`.
    """
    total = tf.reduce_logsumexp(scores, axis=1, keepdims=True)
    values = (1.0 - alpha) * tf.exp(highest - total) - alpha * similarity
    return tf.where(highest > _EXCLUDED, values, _EXCLUDED)


def _similarity(
    candidates: tf.Tensor, directions: tf.Tensor, exists: tf.Tensor
) -> tf.Tensor:
    """Returns each candidate's highest cosine with what came before, `[B, K]`.

    Args:
        candidates: unit vectors, `[B, K, hidden]`.
        directions: unit vectors, `[B, L, hidden]`.
        exists: bool `[B, L]`, which of these there are.
    """
    cosines = tf.matmul(candidates, directions, transpose_b=True)
    cosines = tf.where(exists[:, tf.newaxis], cosines, _EXCLUDED)
    return tf.reduce_max(cosines, axis=-1)
