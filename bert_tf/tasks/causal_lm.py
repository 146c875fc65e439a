"""Causal language modeling: what comes next in a text.

Documents follow each other, each as [CLS], its pieces and [SEP], and are cut into
blocks of full length: nothing is padded but the last one. A block begins with the last
token of the one before it, so that every token is predicted once.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.results import Generated
from bert_tf.labelled.encoded import IGNORED, EncodedExamples, join
from bert_tf.labelled.examples import TextExample
from bert_tf.labelled.kinds import DOCUMENTS
from bert_tf.models.causal_lm import CausalLM
from bert_tf.tasks import written_texts
from bert_tf.tasks.endpoint import Batch, Endpoint
from bert_tf.tasks.next_token import NextTokenTask, text_sizes
from bert_tf.tasks.settings import CausalLmSettings
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

# What is written unless a search says otherwise, if there is room.
_MAX_NEW_TOKENS = 64


class CausalLmTask(NextTokenTask):
    """The next token of plain text; see `CausalLmSettings`.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
    section 2.
    """

    name = "causal_lm"
    kind = DOCUMENTS
    settings_type = CausalLmSettings
    labels = "labels"

    @classmethod
    def for_checkpoint(
        cls, description: TaskDescription, weights: ModelWeights
    ) -> TaskDescription:
        """Checks that the order of the LayerNorms is the checkpoint's."""
        wanted = bool(description.settings["norm_first"])
        found = bool(weights.task.settings.get("norm_first"))
        if weights.variables and wanted != found:
            raise InputError(
                f"`task.norm_first` must be {found}, as in the checkpoint, whose "
                f"weights mean nothing in another order; or `task.size` a size to "
                f"start at random. Received: {wanted}"
            )
        return description

    def initial_variables(self, weights: ModelWeights) -> Mapping[str, np.ndarray]:
        """Returns blocks and head of a checkpoint, which may be any BERT's."""
        return {
            name: value
            for name, value in weights.variables.items()
            if name.startswith(("bert/", "cls/predictions/"))
        }

    # The model.

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> CausalLM:
        """Returns a language model; see `Task`."""
        return CausalLM(
            config,
            seed=seed,
            rematerialize=rematerialize,
            norm_first=self.settings.norm_first,
            dtype=dtype,
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of the model's input; see `Task`."""
        return {"input_ids": max_seq_length}

    def generation_settings(
        self, given: Mapping[str, Any], positions: int
    ) -> dict[str, Any]:
        """Returns settings of a search, by default with room for as long a prompt.

        Args:
            given: fields of `GenerationConfig`, words as texts.
            positions: of prompt and continuation together.
        """
        return {"max_new_tokens": min(_MAX_NEW_TOKENS, positions // 2), **given}

    # Its examples.

    def texts(self, examples: Sequence[TextExample]) -> dict[str, list[str]]:
        """Returns the documents; see `LabelledTask`."""
        return {"text": [_text(example) for example in examples]}

    def assemble(
        self,
        examples: Sequence[TextExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns blocks of documents with the token that follows each."""
        (documents,) = pieces.values()
        longest = int(documents.lengths.max()) + 2
        stream = join([documents], vocabulary, longest).input_ids
        step = self.max_seq_length - 1
        begins = np.arange(0, len(stream) - 1, step)
        ends = np.minimum(begins + step + 1, len(stream))
        lengths = ends - begins
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
        labels = np.append(stream, IGNORED)[places + 1].astype(np.int32)
        labels[starts[1:] - 1] = IGNORED
        sizes = text_sizes(
            [_text(example) for example in examples], np.ones(len(examples))
        )
        shares = (lengths - 1) / (len(stream) - 1)
        return EncodedExamples(
            stream[places],
            starts,
            lengths.astype(np.int32),
            token_targets={"labels": labels},
            targets={
                name: (values.sum(dtype=float) * shares).astype(np.float32)
                for name, values in sizes.items()
            },
        )

    # What people see of it.

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how much text there is."""
        words = sum(len(_text(example).split()) for example in examples)
        return [f"{len(examples):,} documents of {words:,} words, divided by blanks"]

    @staticmethod
    def predicted(encoded: EncodedExamples) -> np.ndarray:
        """Returns all tokens that are to be predicted; see `NextTokenTask`."""
        labels = encoded.token_targets["labels"]
        return labels[labels != IGNORED]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures that continue texts, see `written_texts`.

        A text and what is written after it have at most `max_seq_length` tokens, [CLS]
        and the end counted; of a longer text, only its end is read. The setting
        `generation` of the description holds those of the search.
        """
        assert isinstance(model, CausalLM)
        given = self.description.settings.get("generation") or {}
        config = written_texts.generation_config(
            self.generation_settings(given, max_seq_length),
            tokenizer,
            dataclasses.replace(model.config, max_position_embeddings=max_seq_length),
        )
        width = max_seq_length - config.most_fed

        def find(arguments: Batch, config: GenerationConfig) -> Generated:
            prompts = written_texts.prompts(arguments["text"], tokenizer, width)
            vocabulary = tokenizer.vocabulary
            return written_texts.continue_from(model, *prompts, vocabulary, config)

        return written_texts.endpoints(["text"], find, tokenizer, config)


def _text(example: TextExample) -> str:
    if example.text_pair is None:
        return example.text
    return f"{example.text}\n{example.text_pair}"
