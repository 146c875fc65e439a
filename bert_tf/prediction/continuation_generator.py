"""A language model that continues texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.generation.results import Generated
from bert_tf.generation.streaming import Stream
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.prediction.generator import Batch, Generator
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.written_texts import continue_from
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

# Widths are multiples of it, since the search is compiled for each.
_WIDTH_STEP = 16


class ContinuationGenerator(Generator):
    """Continues texts; see `Generator`.

    Args:
        task: of the model.
        model: with its weights.
        vocabulary: the model's.
        settings: see `Generator`.
    """

    def __init__(
        self,
        task: CausalLmTask,
        model: keras.Model,
        vocabulary: Vocabulary,
        settings: Mapping[str, Any],
    ):
        positions = model.config.max_position_embeddings
        settings = task.generation_settings(settings, positions)
        super().__init__(model, model.config, BertTokenizer(vocabulary), settings)
        self._streams: dict[int, Stream] = {}

        def search(
            decoder: Decoder, tokens: tf.Tensor, lengths: tf.Tensor
        ) -> Generated:
            return continue_from(decoder, tokens, lengths, vocabulary, self.config)

        self._compile(search)

    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        tokens, lengths = self._padded(self._prompts([example]))
        width = tokens.shape[1]
        if width not in self._streams:
            end_id = self._tokenizer.vocabulary.sep_id
            self._streams[width] = Stream(self._model, self.config, end_id)
        fed = tf.constant(tokens)
        return self._streams[width].tokens(
            {"input_ids": fed}, fed, tf.constant(lengths)
        )

    def _batches(self, examples: Sequence[Any], rows: int) -> Iterator[Batch]:
        prompts = self._prompts(examples)
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        for start in range(0, len(order), rows):
            places = order[start : start + rows]
            # The last prompt over and over fills the last batch.
            filled = places + places[-1:] * (rows - len(places))
            yield places, self._padded([prompts[place] for place in filled])

    def _prompts(self, examples: Sequence[Any]) -> list[list[int]]:
        """Returns the tokens of each example's text, [CLS] first."""
        vocabulary = self._tokenizer.vocabulary
        texts = [" ".join(example.key) for example in examples]
        prompts = [
            [vocabulary.cls_id, *ids]
            for ids in self._tokenizer.tokenize(texts).to_list()
        ]
        for example, prompt in zip(examples, prompts, strict=True):
            if len(prompt) > self._room:
                raise InputError(
                    f"{example.place}: the text has {len(prompt)} tokens, and beside "
                    f"`max_new_tokens`, {self.config.max_new_tokens}, the model has "
                    f"room for {self._room}. Shorten it, or write less."
                )
        return prompts

    @property
    def _room(self) -> int:
        """The most tokens of a prompt."""
        return self._positions - self.config.most_fed

    def _padded(self, prompts: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Returns tokens, int32 `[prompts, width]`, and how many there are of each."""
        lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        width = min(-(-lengths.max() // _WIDTH_STEP) * _WIDTH_STEP, self._room)
        pad_id = self._tokenizer.vocabulary.pad_id
        tokens = np.full([len(prompts), width], pad_id, np.int32)
        for row, prompt in zip(tokens, prompts, strict=True):
            row[: len(prompt)] = prompt
        return tokens, lengths
