"""What a search would say of sequences that are given."""

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import EMPTY, Prompt, new_history, repeat, write_column
from bert_tf.generation.processors import process
from bert_tf.generation.results import Generated, finish, normalized
from bert_tf.generation.stepping import next_logits
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder


def score(
    decoder: Decoder,
    prompt: Prompt,
    token_ids: tf.Tensor,
    lengths: tf.Tensor,
    config: GenerationConfig,
    end_id: int,
    pad_id: int,
) -> Generated:
    """Scores sequences as a beam search that found them would.

    Args:
        decoder: the model.
        prompt: of B texts.
        token_ids: int32 `[B, n, T]`, what follows each of them.
        lengths: int32 `[B, n]`, tokens of each.
        config: of the search: what is done to scores, and the length penalty.
        end_id: the token that ends a sequence.
        pad_id: what fills up the results.

    Returns:
        The sequences, with scores and log-probabilities.
    """
    count, width = token_ids.shape[1:]
    prompt = repeat(prompt, count)
    tokens = tf.where(tf.sequence_mask(lengths, width), token_ids, EMPTY)
    rows = tf.reshape(tokens, [-1, width])
    history = new_history(prompt.tokens, config.max_new_tokens)
    first = history.shape[1] - config.max_new_tokens

    def add(
        step: tf.Tensor | int,
        logits: tf.Tensor,
        history: tf.Tensor,
        total: tf.Tensor,
        log_probs: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        token = rows[:, step]
        real = token != EMPTY
        index = tf.maximum(token, 0)
        plain = tf.nn.log_softmax(logits)
        processed = process(plain, history, step, config, end_id)
        gained = tf.gather(processed, index, batch_dims=1)
        log_prob = tf.gather(plain, index, batch_dims=1)
        return (
            step + 1,
            write_column(history, first + step, token),
            total + tf.where(real, gained, 0.0),
            write_column(log_probs, step, tf.where(real, log_prob, 0.0)),
        )

    total = tf.zeros_like(prompt.logits[:, 0])
    log_probs = tf.zeros_like(rows, tf.float32)
    sums = add(tf.constant(0), prompt.logits, history, total, log_probs)

    def unfinished(sums: tuple[tf.Tensor, ...], state: Tensors) -> tf.Tensor:
        return sums[0] < tf.reduce_max(lengths)

    def body(
        sums: tuple[tf.Tensor, ...], state: Tensors
    ) -> tuple[tuple[tf.Tensor, ...], Tensors]:
        step = sums[0]
        logits, state = next_logits(
            decoder, rows[:, step - 1], prompt.position + step - 1, state
        )
        return add(step, logits, *sums[1:]), state

    (_, _, total, log_probs), _ = tf.while_loop(unfinished, body, (sums, prompt.state))
    shape = tf.shape(lengths)
    scores = normalized(tf.reshape(total, shape), lengths, config.length_penalty)
    return finish(tokens, scores, tf.reshape(log_probs, tf.shape(tokens)), pad_id)
