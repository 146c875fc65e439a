"""Causal language modelling: what comes next in a text.

Documents follow each other, each as [CLS], its pieces and [SEP], and are cut into
blocks of full length: nothing is padded but the last one. A block begins with the last
token of the one before it, so that every token is predicted once.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED, EncodedExamples, join
from bert_tf.labelled.examples import TextExample
from bert_tf.labelled.reading import DOCUMENTS
from bert_tf.labelled.source import LabelledSource
from bert_tf.models.causal_lm import CausalLM
from bert_tf.tasks import next_token
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.masked_tokens import unigram_baseline
from bert_tf.tasks.random_start import load_start
from bert_tf.tasks.settings import CausalLmSettings
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

# Of models that do not say on how many tokens they were trained.
_MAX_SEQ_LENGTH = 512


class CausalLmTask(LabelledTask):
    """The next token of plain text; see `CausalLmSettings`.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
    section 2.
    """

    name = "causal_lm"
    kind = DOCUMENTS
    settings_type = CausalLmSettings
    usual_best = "loss"
    quality = "token_accuracy"
    shown = next_token.SHOWN
    charts = next_token.CHARTS

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        if "classifier_dropout" in description.settings:
            raise InputError(
                "`classifier_dropout`: nothing is dropped before tokens are scored. "
                "Leave it at -1.0; `hidden_dropout_prob` holds for the blocks."
            )
        self.norm_first: bool = description.settings.get("norm_first", False)

    @classmethod
    def describe(
        cls,
        settings: CausalLmSettings,
        examples: Sequence[TextExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the task of these settings; see `LabelledTask`."""
        return TaskDescription(
            settings.name, max_seq_length, settings=dataclasses.asdict(settings)
        )

    @classmethod
    def load_start(cls, settings: CausalLmSettings, init_from: str) -> ModelWeights:
        """Returns a checkpoint's weights, or a size without any."""
        return load_start(settings.size, init_from)

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
            norm_first=self.norm_first,
            dtype=dtype,
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of the model's input; see `Task`."""
        return {"input_ids": max_seq_length}

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; where there are labels without making the large logits."""
        labels = batch.get("labels")
        if labels is not None:
            labels = tf.maximum(labels, 0), next_token.label_weights(labels)
        return model(batch, training=training, dropout_seed=dropout_seed, labels=labels)

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
        step = (self.description.max_seq_length or _MAX_SEQ_LENGTH) - 1
        begins = np.arange(0, len(stream) - 1, step)
        ends = np.minimum(begins + step + 1, len(stream))
        lengths = ends - begins
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
        labels = np.append(stream, IGNORED)[places + 1].astype(np.int32)
        labels[starts[1:] - 1] = IGNORED
        sizes = next_token.text_sizes(
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

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: `assemble` gives the tokens that follow."""
        return {}

    # Its loss.

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses."""
        return ("token",)

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the other sums; see `next_token`."""
        return next_token.COUNTS

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of tokens to predict; see `Task`."""
        return {"token": tf.reduce_sum(next_token.label_weights(batch["labels"]))}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        labels = np.where(real[..., None] > 0, batch["labels"], IGNORED)
        return {**super().leave_out(batch, real), "labels": labels}

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the cross-entropy of the tokens; see `Task`."""
        sizes = next_token.held_out_sizes(batch)
        return next_token.sums(outputs, batch["labels"], None if training else sizes)

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Divides sums once, and adds perplexities; see `Task`."""
        return super().summarize(sums) | next_token.perplexities_of(sums)

    # What people see of it.

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how much text there is."""
        words = sum(len(_text(example).split()) for example in examples)
        return [f"{len(examples):,} documents of {words:,} words, divided by blanks"]

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what token frequencies alone would score; see `Task`."""
        counts = []
        for source in (train, held_out):
            assert isinstance(source, LabelledSource)
            labels = source.encoded.token_targets["labels"]
            counts.append(labels[labels != IGNORED])
        return unigram_baseline(*next_token.counts_of(*counts))

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Raises an InputError: such a model writes, which is another job."""
        raise InputError(next_token.WRITES)

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Raises an InputError: no signature that takes text."""
        raise InputError(next_token.WRITES)


def _text(example: TextExample) -> str:
    if example.text_pair is None:
        return example.text
    return f"{example.text}\n{example.text_pair}"
