"""A model that writes: texts in, the best sequences for each of them out."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.generation.config import GenerationConfig, Words
from bert_tf.generation.results import Generated
from bert_tf.generation.search import generate
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.text.special_tokens import CLS, MASK, PAD, SEP
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

_INPUTS = ("input_ids", "input_mask", "segment_ids")
_WORDS = ("forbidden_words", "forced_words")


class Generator:
    """A model's search, compiled once for batches of any shape.

    Args:
        task: of the model.
        model: with its weights.
        vocabulary: the encoder's.
        settings: fields of `GenerationConfig`, words as texts. `max_new_tokens` is by
            default as many as the model was trained to write.

    Raises:
        InputError: a setting that there is not, or that cannot be.
    """

    def __init__(
        self,
        task: SequenceToSequenceTask,
        model: keras.Model,
        vocabulary: Vocabulary,
        **settings: Any,
    ):
        self._task = task
        self._vocabulary = vocabulary
        self._tokenizer = BertTokenizer(task.target_vocabulary(vocabulary))
        written = self._tokenizer.vocabulary
        decoder = model.decoder_config
        config = _config(task, self._tokenizer, settings)
        if config.max_new_tokens > decoder.max_position_embeddings:
            raise InputError(
                "`max_new_tokens` must be at most the decoder's positions, "
                f"{decoder.max_position_embeddings}. Received: {config.max_new_tokens}"
            )
        self.config = config.check_vocabulary(decoder.vocab_size, written.sep_id)

        def search(*inputs: tf.Tensor) -> Generated:
            num_texts = tf.shape(inputs[0])[0]
            return generate(
                model,
                dict(zip(_INPUTS, inputs, strict=True)),
                tf.fill([num_texts, 1], written.cls_id),
                tf.ones([num_texts], tf.int32),
                self.config,
                end_id=written.sep_id,
                pad_id=written.pad_id,
            )

        spec = tf.TensorSpec([None, None], tf.int32)
        self._search: Any = tf.function(
            search, input_signature=[spec] * len(_INPUTS), autograph=False
        )

    def run(self, examples: Sequence[Any], batch_size: int) -> list[dict[str, Any]]:
        """Writes for each example.

        Args:
            examples: `GenerationExample`s; their targets are not looked at.
            batch_size: how many run at once.

        Returns:
            One dictionary an example, in their order: `generated_text`; `score`, see
            `Generated`; `token_log_probs`, of its tokens and the end; and, with
            `num_return_sequences` above 1, `alternatives`, the next best ones, with the
            same entries.

        Raises:
            InputError: an example without text.
        """
        if not examples:
            return []
        for example in examples:
            if not any(text.strip() for text in example.key):
                raise InputError(f"{example.place}: the text is empty.")
        examples = [dataclasses.replace(each, target=None) for each in examples]
        encoded = self._task.encode(examples, self._vocabulary)
        length = int(encoded.lengths.max())
        source = LabelledSource(encoded, length, seed=None, examples=examples)
        reader = source.reader(replica_batch_size=min(batch_size, source.num_examples))
        parts = []
        for position in range(0, source.num_examples, reader.micro_batch_size):
            batch = reader.read(position, 1)
            inputs = [tf.constant(batch[n][0, 0], tf.int32) for n in _INPUTS]
            parts.append([values.numpy() for values in self._search(*inputs)])
        joined = (np.concatenate(values) for values in zip(*parts, strict=True))
        found = [source.in_order(values[: source.num_examples])[1] for values in joined]
        return [self._answer(Generated(*row)) for row in zip(*found, strict=True)]

    def _answer(self, found: Generated) -> dict[str, Any]:
        """Returns what was written for a text: tensors without the batch's axis."""
        answers = [
            {
                "generated_text": self._text(ids[:size].tolist()),
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

    def _text(self, ids: Iterable[int]) -> str:
        """Returns what tokens say, special ones left out."""
        entries = self._tokenizer.vocabulary.entries
        left_out = (PAD, CLS, SEP, MASK)
        return self._tokenizer.detokenize(
            [index for index in ids if entries[index] not in left_out]
        )


def _config(
    task: SequenceToSequenceTask, tokenizer: BertTokenizer, settings: dict[str, Any]
) -> GenerationConfig:
    names = [field.name for field in dataclasses.fields(GenerationConfig)]
    for name in settings:
        if name not in names:
            raise InputError(
                f"Generation has the settings {', '.join(names)}. Received: {name!r}"
            )
    # [CLS] is counted among what was trained on, and not chosen.
    settings = {"max_new_tokens": task.settings.max_target_length - 1, **settings}
    for name in _WORDS:
        if name in settings:
            settings[name] = _word_ids(name, tokenizer, settings[name])
    return GenerationConfig(**settings).validate()


def _word_ids(name: str, tokenizer: BertTokenizer, words: Sequence[str]) -> Words:
    """Returns the tokens of each word.

    Raises:
        InputError: a word that the vocabulary has no tokens for.
    """
    if isinstance(words, str) or not all(isinstance(word, str) for word in words):
        raise InputError(f"`{name}` must be a list of texts. Received: {words!r}")
    if not words:
        return ()
    found = tuple(map(tuple, tokenizer.tokenize(list(words)).to_list()))
    for word, ids in zip(words, found, strict=True):
        if not ids or tokenizer.vocabulary.unk_id in ids:
            raise InputError(
                f"`{name}`: {word!r} cannot be written with the model's vocabulary."
            )
    return found
