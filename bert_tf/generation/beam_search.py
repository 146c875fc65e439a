"""Beam search: the likeliest sequences, live and finished ones kept apart."""

from typing import NamedTuple

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import Prompt, new_history, repeat, write_column
from bert_tf.generation.processors import process
from bert_tf.generation.results import Generated, finish
from bert_tf.generation.stepping import next_logits, reorder
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

_NONE = float("-inf")


class Hypotheses(NamedTuple):
    """Sequences of each text, the best first.

    Attributes:
        history: int32 `[B, K, P + T]`.
        scores: float32 `[B, K]`, log-probabilities after processing; of finished ones
            divided by their length to the power of the length penalty. -inf where there
            is no hypothesis.
        log_probs: float32 `[B, K, T]`, of each token by the model alone.
    """

    history: tf.Tensor
    scores: tf.Tensor
    log_probs: tf.Tensor


class Beams(NamedTuple):
    """Where a beam search stands.

    Attributes:
        step: int32, how many tokens the live hypotheses have.
        live: those that go on.
        parents: int32 `[B, K]`, which of the last step's each of them continues.
        finished: those that have ended; their scores do not change any more.
        open: bool `[B]`, whether a text's finished hypotheses may still change.
    """

    step: tf.Tensor
    live: Hypotheses
    parents: tf.Tensor
    finished: Hypotheses
    open: tf.Tensor


def search(
    decoder: Decoder,
    prompt: Prompt,
    config: GenerationConfig,
    end_id: int,
    pad_id: int,
) -> Generated:
    """Finds the sequences of the highest scores.

    Args:
        decoder: the model.
        prompt: of B texts.
        config: the configuration.
        end_id: the token that ends a sequence.
        pad_id: what fills up the results.

    Returns:
        `num_return_sequences` a text.

    Source: Hugging Face transformers, `GenerationMixin._beam_search`; t5x,
    `decoding.beam_search`.
    """
    num_beams = config.num_beams
    prompt = repeat(prompt, num_beams)
    beams = grow(_start(prompt, config), prompt.logits, config, end_id)

    def unfinished(beams: Beams, state: Tensors) -> tf.Tensor:
        return (beams.step < config.max_new_tokens) & tf.reduce_any(beams.open)

    def body(beams: Beams, state: Tensors) -> tuple[Beams, Tensors]:
        first = tf.range(tf.shape(beams.parents)[0])[:, tf.newaxis] * num_beams
        state = reorder(state, tf.reshape(first + beams.parents, [-1]))
        column = beams.live.history.shape[2] - config.max_new_tokens + beams.step - 1
        tokens = tf.reshape(beams.live.history[:, :, column], [-1])
        position = prompt.position + beams.step - 1
        logits, state = next_logits(decoder, tokens, position, state)
        return grow(beams, logits, config, end_id), state

    beams, _ = tf.while_loop(unfinished, body, (beams, prompt.state))
    count = config.num_return_sequences
    found = Hypotheses(*(x[:, :count] for x in beams.finished))
    tokens = found.history[:, :, -config.max_new_tokens :]
    return finish(tokens, found.scores, found.log_probs, pad_id)


def _start(prompt: Prompt, config: GenerationConfig) -> Beams:
    """Returns beams without new tokens: the first one of each text, and no others."""
    num_beams, length = config.num_beams, config.max_new_tokens
    num_texts = tf.shape(prompt.tokens)[0] // num_beams
    history = new_history(prompt.tokens, length)
    history = tf.reshape(history, [num_texts, num_beams, history.shape[1]])
    first = tf.where(tf.range(num_beams) == 0, 0.0, _NONE)
    log_probs = tf.zeros([num_texts, num_beams, length])
    return Beams(
        step=tf.constant(0),
        live=Hypotheses(history, tf.tile(first[tf.newaxis], [num_texts, 1]), log_probs),
        parents=tf.zeros([num_texts, num_beams], tf.int32),
        finished=Hypotheses(history, tf.fill([num_texts, num_beams], _NONE), log_probs),
        open=tf.ones([num_texts], tf.bool),
    )


def grow(
    beams: Beams, logits: tf.Tensor, config: GenerationConfig, end_id: int
) -> Beams:
    """Continues every live hypothesis by every token, and keeps the best of them.

    Twice as many are looked at as are kept: at most one for each beam has ended, so
    enough go on.

    Args:
        beams: where the search stands.
        logits: float32 `[B * K, V]`, of the live hypotheses' next tokens.
        config: the configuration.
        end_id: the token that ends a sequence.
    """
    num_beams, step = config.num_beams, beams.step
    vocab_size, width = logits.shape[-1], beams.live.history.shape[2]
    log_probs = tf.nn.log_softmax(logits)
    history = tf.reshape(beams.live.history, [-1, width])
    scores = process(log_probs, history, step, config, end_id)
    scores = beams.live.scores[..., tf.newaxis] + tf.reshape(
        scores, [-1, num_beams, vocab_size]
    )
    flat = [-1, num_beams * vocab_size]
    scores, places = tf.math.top_k(tf.reshape(scores, flat), 2 * num_beams)
    parents, tokens = places // vocab_size, places % vocab_size
    token_log_probs = tf.gather(tf.reshape(log_probs, flat), places, batch_dims=1)

    column = width - config.max_new_tokens + step
    grown = Hypotheses(
        write_column(
            tf.gather(beams.live.history, parents, batch_dims=1), column, tokens
        ),
        scores,
        write_column(
            tf.gather(beams.live.log_probs, parents, batch_dims=1),
            step,
            token_log_probs,
        ),
    )
    step += 1
    # At the last step all end.
    ends = (tokens == end_id) | (step == config.max_new_tokens)
    live, kept = _keep_live(grown, ends, num_beams)
    finished = _keep_finished(beams, grown, ends, config)
    return Beams(
        step,
        live,
        tf.gather(parents, kept, batch_dims=1),
        finished,
        beams.open & _may_improve(step, live, finished, config),
    )


def _keep_live(
    grown: Hypotheses, ends: tf.Tensor, num_beams: int
) -> tuple[Hypotheses, tf.Tensor]:
    """Returns the best that go on, and which they are, int32 `[B, K]`."""
    scores = tf.where(ends, _NONE, grown.scores)
    scores, kept = tf.math.top_k(scores, num_beams)
    # At the last step none does, and any will do.
    live = Hypotheses(*(tf.gather(x, kept, batch_dims=1) for x in grown))
    return live._replace(scores=scores), kept


def _keep_finished(
    beams: Beams, grown: Hypotheses, ends: tf.Tensor, config: GenerationConfig
) -> Hypotheses:
    """Returns the best that have ended, of those before and those that end now.

    Of the latter only the best K of all that were looked at can be: the others are
    there for the live ones' sake.
    """
    num_beams = config.num_beams
    length = tf.cast(beams.step + 1, tf.float32)
    scores = grown.scores / length**config.length_penalty
    takes = beams.open[:, tf.newaxis] & (tf.range(2 * num_beams) < num_beams)
    scores = tf.where(ends & takes, scores, _NONE)
    both = Hypotheses(
        *(
            tf.concat(pair, axis=1)
            for pair in zip(beams.finished, grown._replace(scores=scores), strict=True)
        )
    )
    _, kept = tf.math.top_k(both.scores, num_beams)
    return Hypotheses(*(tf.gather(x, kept, batch_dims=1) for x in both))


def _may_improve(
    step: tf.Tensor, live: Hypotheses, finished: Hypotheses, config: GenerationConfig
) -> tf.Tensor:
    """Returns bool `[B]`, whether the search of a text goes on.

    Hugging Face's rule, in which False looks at the present length and so may stop too
    early with a positive penalty, and "never" is exact.
    """
    worst = tf.reduce_min(finished.scores, axis=1)
    full = worst > _NONE
    if config.early_stopping is True:
        stops = full
    else:
        stops = tf.zeros_like(full)
    penalty = tf.convert_to_tensor(config.length_penalty, tf.float32)
    length = tf.cast(step, tf.float32)
    if config.early_stopping == "never":
        length = tf.where(penalty > 0, float(config.max_new_tokens), length)
    best = live.scores[:, :1] / length**penalty
    return ~stops & (best[:, 0] > worst)
