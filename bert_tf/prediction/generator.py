"""A model that writes: texts in, the best sequences for each of them out."""

import abc
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation.compiled_search import compiled_search
from bert_tf.generation.history import EMPTY
from bert_tf.generation.results import Generated
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.tasks.written_texts import generation_config
from bert_tf.text.tokenization import BertTokenizer

Batch = tuple[Sequence[int], Sequence[np.ndarray]]
"""Which examples the first rows are of, and what the search takes."""


class Generator(abc.ABC):
    """A model's search, which XLA compiles once for each shape of a batch.

    Compiled as a whole, a small model writes up to twice as fast as by TensorFlow's
    operations one by one. What is written is the same.

    Args:
        model: a `Decoder` with its weights.
        config: the decoder's.
        tokenizer: of what is written.
        settings: fields of `GenerationConfig`, words as texts.

    Raises:
        InputError: a setting that there is not, or that cannot be.
    """

    def __init__(
        self,
        model: Any,
        config: BertConfig,
        tokenizer: BertTokenizer,
        settings: Mapping[str, Any],
    ):
        self._model: Decoder = model
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
            InputError: an example without text, with too much, or of which nothing can
                be written by the settings' rules.
        """
        if not examples:
            return []
        for example in examples:
            _check_text(example)
        # A power of two if all fit into one batch: each number of rows is compiled.
        rows = min(batch_size, 2 ** (len(examples) - 1).bit_length())
        found = dict[int, Generated]()
        for places, inputs in self._batches(examples, rows):
            written = self._run(*map(tf.constant, inputs))
            each = zip(*(values.numpy() for values in written), strict=True)
            # What only fills a batch comes last in it.
            found |= zip(places, itertools.starmap(Generated, each), strict=False)
        return [
            self._answer(example, found[place])
            for place, example in enumerate(examples)
        ]

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
            if tokens[0] == EMPTY:
                raise _no_sequence(example)
            ids.append(int(tokens[0]))
            longer = self._tokenizer.written_text(ids)
            if longer != text:
                yield longer[len(text) :]
                text = longer

    def _compile(self, search: Callable[..., Generated]) -> None:
        """Says what `run` runs: a function of a decoder and a batch."""
        self._run = compiled_search(self._model, self.config, search)

    @abc.abstractmethod
    def _tokens(self, example: Any) -> Iterator[np.ndarray]:
        """Yields the tokens for an example, int32 `[1]` each."""

    @abc.abstractmethod
    def _batches(self, examples: Sequence[Any], rows: int) -> Iterator[Batch]:
        """Yields batches of so many rows, of examples about as long as each other."""

    def _answer(self, example: Any, found: Generated) -> dict[str, Any]:
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
            raise _no_sequence(example)
        if self.config.num_return_sequences == 1:
            return answers[0]
        return {**answers[0], "alternatives": answers[1:]}


def _no_sequence(example: Any) -> InputError:
    return InputError(
        f"{example.place}: no sequence keeps all the rules. Forbid or force fewer "
        "words, or allow for more repetitions or an earlier end."
    )


def _check_text(example: Any) -> None:
    if not any(text.strip() for text in example.key):
        raise InputError(f"{example.place}: the text is empty.")
