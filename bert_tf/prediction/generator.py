"""A model that writes: texts in, the best sequences for each of them out."""

import abc
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation.results import Generated
from bert_tf.generation.streaming import Stream
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.written_texts import continue_from, generation_config, write_from
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

_INPUTS = ("input_ids", "input_mask", "segment_ids")
# Of prompts.
_WIDTH = 16


class Generator(abc.ABC):
    """A model's search, compiled once for batches of any shape.

    Args:
        model: with its weights.
        config: the decoder's.
        tokenizer: of what is written.
        settings: fields of `GenerationConfig`, words as texts.

    Raises:
        InputError: a setting that there is not, or that cannot be.
    """

    def __init__(
        self,
        model: keras.Model,
        config: BertConfig,
        tokenizer: BertTokenizer,
        settings: Mapping[str, Any],
    ):
        self._model = model
        self._tokenizer = tokenizer
        self._positions = config.max_position_embeddings
        self.config = generation_config(settings, tokenizer, config)

    def run(self, examples: Sequence[Any], batch_size: int) -> list[dict[str, Any]]:
        """Writes for each example.

        Args:
            examples: of the task; their targets are not looked at.
            batch_size: how many run at once.

        Returns:
            One dictionary an example, in their order: `generated_text`; `score`, see
            `Generated`; `token_log_probs`, of its tokens and the end; and, with
            `num_return_sequences` above 1, `alternatives`, the next best ones, with the
            same entries.

        Raises:
            InputError: an example without text, or with too much.
        """
        if not examples:
            return []
        for example in examples:
            _check_text(example)
        found = self._found(examples, batch_size)
        return [self._answer(Generated(*row)) for row in zip(*found, strict=True)]

    def stream(self, example: Any) -> Iterator[str]:
        """Yields what is written for one example, as its tokens are chosen.

        Joined, the parts are `generated_text` of `run`.

        Args:
            example: see `run`.

        Raises:
            InputError: see `run`; or a search with beams, which changes what came
                before, a contrastive one, or one with several sequences.
        """
        _check_text(example)
        if self.config.num_return_sequences > 1:
            raise InputError(
                "A stream is of one sequence: leave `num_return_sequences` at 1. "
                f"Received: {self.config.num_return_sequences}"
            )
        ids, text = list[int](), ""
        for tokens in self._tokens(example):
            ids.append(int(tokens[0]))
            longer = self._tokenizer.written_text(ids)
            if longer != text:
                yield longer[len(text) :]
                text = longer

    @abc.abstractmethod
    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        """Yields the tokens for an example, int32 `[1]` each."""

    @abc.abstractmethod
    def _found(self, examples: Sequence[Any], batch_size: int) -> list[np.ndarray]:
        """Returns the fields of `Generated` for all examples, in their order."""

    def _answer(self, found: Generated) -> dict[str, Any]:
        """Returns what was written for a text: tensors without the batch's axis."""
        answers = [
            {
                "generated_text": self._tokenizer.written_text(ids[:size].tolist()),
                "score": float(score),
                "token_log_probs": log_probs[:size].tolist(),
            }
            for ids, size, score, log_probs in zip(*found, strict=True)
            if score > -np.inf
        ]
        if not answers:
            raise InputError(
                "No sequence keeps all the rules. Forbid or force fewer words."
            )
        if self.config.num_return_sequences == 1:
            return answers[0]
        return {**answers[0], "alternatives": answers[1:]}


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
        settings = task.generation_settings(settings)
        super().__init__(model, model.decoder_config, tokenizer, settings)
        self._task = task
        self._vocabulary = vocabulary

        def search(*inputs: tf.Tensor) -> Generated:
            named = dict(zip(_INPUTS, inputs, strict=True))
            return write_from(model, named, tokenizer.vocabulary, self.config)

        spec = tf.TensorSpec([None, None], tf.int32)
        self._run: Any = tf.function(
            search, input_signature=[spec] * len(_INPUTS), autograph=False
        )

    @functools.cached_property
    def _stream(self) -> Stream:
        end_id = self._tokenizer.vocabulary.sep_id
        model: Any = self._model
        return Stream(model, self.config, end_id)

    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        batch = self._source([example]).reader(replica_batch_size=1).read(0, 1)
        inputs = {n: tf.constant(batch[n][0, 0], tf.int32) for n in _INPUTS}
        start = tf.constant([[self._tokenizer.vocabulary.cls_id]])
        return self._stream.tokens(inputs, start, tf.constant([1]))

    def _source(self, examples: Sequence[Any]) -> LabelledSource:
        examples = [dataclasses.replace(each, target=None) for each in examples]
        encoded = self._task.encode(examples, self._vocabulary)
        length = int(encoded.lengths.max())
        return LabelledSource(encoded, length, seed=None, examples=examples)

    def _found(self, examples: Sequence[Any], batch_size: int) -> list[np.ndarray]:
        source = self._source(examples)
        reader = source.reader(replica_batch_size=min(batch_size, source.num_examples))
        parts = []
        for position in range(0, source.num_examples, reader.micro_batch_size):
            batch = reader.read(position, 1)
            inputs = [tf.constant(batch[n][0, 0], tf.int32) for n in _INPUTS]
            parts.append([values.numpy() for values in self._run(*inputs)])
        joined = (np.concatenate(values) for values in zip(*parts, strict=True))
        return [source.in_order(values[: source.num_examples])[1] for values in joined]


class ContinuationGenerator(Generator):
    """Continues texts; see `Generator`.

    Prompts are padded to a multiple of `_WIDTH`, for each of which the search is
    compiled: what is written does not depend on it.

    Args:
        model: with its weights.
        vocabulary: the model's.
        settings: see `Generator`.
    """

    def __init__(
        self, model: keras.Model, vocabulary: Vocabulary, settings: Mapping[str, Any]
    ):
        super().__init__(model, model.config, BertTokenizer(vocabulary), settings)
        self._runs: dict[int, Any] = {}
        self._streams: dict[int, Stream] = {}

    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        tokens, lengths = self._prompts([example])
        width = tokens.shape[1]
        if width not in self._streams:
            end_id = self._tokenizer.vocabulary.sep_id
            model: Any = self._model
            self._streams[width] = Stream(model, self.config, end_id)
        fed = tf.constant(tokens)
        return self._streams[width].tokens(
            {"input_ids": fed}, fed, tf.constant(lengths)
        )

    def _prompts(self, examples: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Returns tokens, int32 `[examples, width]`, and how many there are of each."""
        vocabulary = self._tokenizer.vocabulary
        texts = [" ".join(example.key) for example in examples]
        prompts = [
            [vocabulary.cls_id, *ids]
            for ids in self._tokenizer.tokenize(texts).to_list()
        ]
        room = self._positions - self.config.most_fed
        for example, prompt in zip(examples, prompts, strict=True):
            if len(prompt) > room:
                raise InputError(
                    f"{example.place}: the text has {len(prompt)} tokens, and beside "
                    f"`max_new_tokens`, {self.config.max_new_tokens}, the model has "
                    f"room for {room}. Shorten it, or write less."
                )
        longest = max(map(len, prompts))
        width = min(-(-longest // _WIDTH) * _WIDTH, room)
        lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        tokens = np.full([len(prompts), width], vocabulary.pad_id, np.int32)
        for row, prompt in zip(tokens, prompts, strict=True):
            row[: len(prompt)] = prompt
        return tokens, lengths

    def _found(self, examples: Sequence[Any], batch_size: int) -> list[np.ndarray]:
        tokens, lengths = self._prompts(examples)
        run = self._compiled(tokens.shape[1])
        parts = [
            [
                x.numpy()
                for x in run(tokens[n : n + batch_size], lengths[n:][:batch_size])
            ]
            for n in range(0, len(tokens), batch_size)
        ]
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def _compiled(self, width: int) -> Any:
        vocabulary = self._tokenizer.vocabulary

        def search(tokens: tf.Tensor, lengths: tf.Tensor) -> Generated:
            return continue_from(self._model, tokens, lengths, vocabulary, self.config)

        if width not in self._runs:
            signature = [
                tf.TensorSpec([None, width], tf.int32),
                tf.TensorSpec([None], tf.int32),
            ]
            self._runs[width] = tf.function(
                search, input_signature=signature, autograph=False
            )
        return self._runs[width]


def _check_text(example: Any) -> None:
    if not any(text.strip() for text in example.key):
        raise InputError(f"{example.place}: the text is empty.")
