"""A model that writes a text of another one."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.generation.results import Generated
from bert_tf.generation.streaming import Stream
from bert_tf.labelled.source import LabelledReader, LabelledSource
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.prediction.generator import Batch, Generator
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.written_texts import write_from
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

_INPUTS = ("input_ids", "input_mask", "segment_ids")
# Lengths are multiples of it, since the search is compiled for each.
_LENGTH_STEP = 32


class PairGenerator(Generator):
    """Writes a text of another one; see `Generator`.

    Args:
        task: of the model.
        model: with its weights.
        vocabulary: the encoder's.
        settings: see `Generator`. `max_new_tokens` is by default as many as the model
            was trained to write.
    """

    def __init__(
        self,
        task: SequenceToSequenceTask,
        model: keras.Model,
        vocabulary: Vocabulary,
        settings: Mapping[str, Any],
    ):
        tokenizer = BertTokenizer(task.target_vocabulary(vocabulary))
        decoder = model.decoder_config
        settings = task.generation_settings(settings, decoder.max_position_embeddings)
        super().__init__(model, decoder, tokenizer, settings)
        self._task = task
        self._vocabulary = vocabulary

        def search(decoder: Decoder, *inputs: tf.Tensor) -> Generated:
            named = dict(zip(_INPUTS, inputs, strict=True))
            return write_from(decoder, named, tokenizer.vocabulary, self.config)

        self._compile(search)

    @functools.cached_property
    def _stream(self) -> Stream:
        end_id = self._tokenizer.vocabulary.sep_id
        return Stream(self._model, self.config, end_id)

    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        batch = self._source([example]).reader(replica_batch_size=1).read(0, 1)
        inputs = {n: tf.constant(batch[n][0, 0], tf.int32) for n in _INPUTS}
        start = tf.constant([[self._tokenizer.vocabulary.cls_id]])
        return self._stream.tokens(inputs, start, tf.constant([1]))

    def _source(self, examples: Sequence[Any]) -> LabelledSource:
        examples = [dataclasses.replace(each, target=None) for each in examples]
        encoded = self._task.encode(examples, self._vocabulary)
        # Not the longest text's length: that would be a shape of its own.
        length = self._task.max_seq_length
        return LabelledSource(encoded, length, seed=None, examples=examples)

    def _batches(self, examples: Sequence[Any], rows: int) -> Iterator[Batch]:
        source = self._source(examples)
        reader = LabelledReader(source, rows, 1, range(1), False, _LENGTH_STEP)
        for position in range(0, source.num_examples, rows):
            batch = reader.read(position, 1)
            places = source.order[position : position + rows].tolist()
            yield places, [batch[name][0, 0] for name in _INPUTS]
