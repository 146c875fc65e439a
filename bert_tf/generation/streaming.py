"""Greedy search and sampling that hand over each token as soon as it is chosen."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import repeat
from bert_tf.generation.search import seeds_of
from bert_tf.generation.stepping import next_logits, read_prompts
from bert_tf.generation.token_by_token import Rows, choice, grow, latest_tokens, start
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder


class Stream:
    """A search that is compiled once and then gives token after token.

    Args:
        decoder: the model.
        config: the configuration, without beams or a degeneration penalty.
        end_id: the token that ends a sequence.

    Raises:
        InputError: beams are wanted, which change what came before, or contrastive
            search.
    """

    def __init__(self, decoder: Decoder, config: GenerationConfig, end_id: int):
        if config.num_beams > 1:
            raise InputError(
                "Only greedy search and draws give token after token: leave "
                f"`num_beams` at 1. Received: {config.num_beams}"
            )
        if config.is_contrastive:
            raise InputError(
                "Only greedy search and draws give token after token: leave "
                f"`penalty_alpha` at 0. Received: {config.penalty_alpha}"
            )
        self._config = config
        length = config.max_new_tokens

        def begin(inputs: Tensors, tokens: tf.Tensor, lengths: tf.Tensor) -> Any:
            prompt, _ = read_prompts(decoder, inputs, tokens, lengths, config)
            prompt = repeat(prompt, config.num_return_sequences)
            seeds = tf.zeros([tf.shape(prompt.tokens)[0], 2], tf.int32)
            if config.do_sample:
                seeds = seeds_of(inputs, tokens, lengths, config)
            choose = choice(config, seeds)
            rows = grow(start(prompt, config), prompt.logits, choose, config, end_id)
            return rows, prompt.state, prompt.position, seeds

        def go_on(
            rows: Rows, state: Tensors, position: tf.Tensor, seeds: tf.Tensor
        ) -> Any:
            tokens = latest_tokens(rows, length)
            place = position + rows.step - 1
            logits, state = next_logits(decoder, tokens, place, state)
            rows = grow(rows, logits, choice(config, seeds), config, end_id)
            return rows, state, position, seeds

        self._begin: Any = tf.function(begin, reduce_retracing=True, autograph=False)
        self._go_on: Any = tf.function(go_on, reduce_retracing=True, autograph=False)

    def tokens(
        self, inputs: Tensors, tokens: tf.Tensor, lengths: tf.Tensor
    ) -> Iterator[np.ndarray]:
        """Yields the next token of each row, int32 `[R]`, `EMPTY` after its end.

        Args:
            inputs: see `generate`, as the rest.
            tokens: int32 `[B, P]`.
            lengths: int32 `[B]`.
        """
        state = self._begin(inputs, tokens, lengths)
        while True:
            rows = state[0]
            yield latest_tokens(rows, self._config.max_new_tokens).numpy()
            done = rows.step.numpy() == self._config.max_new_tokens
            if done or rows.finished.numpy().all():
                return
            state = self._go_on(*state)
