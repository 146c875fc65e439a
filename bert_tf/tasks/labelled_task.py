"""What tasks have in common that learn from labelled examples."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from absl import logging

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.data.source import ExampleSource
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import Example
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.reading import load_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.tokenized import tokenize_cached
from bert_tf.storage.input_files import find_input_files
from bert_tf.storage.json_files import from_dict
from bert_tf.tasks.endpoint import Batch
from bert_tf.tasks.predicting_task import PredictingTask
from bert_tf.tasks.settings import LOWER_IS_BETTER, TaskSettings
from bert_tf.tasks.task import Best
from bert_tf.text.pieces import Pieces
from bert_tf.text.vocabulary import Vocabulary


class LabelledTask(PredictingTask):
    """A task whose examples are texts with targets.

    Args:
        description: labels, lengths and settings, as a model folder keeps them.

    Attributes:
        settings_type: of its part of a configuration.
        usual_best: the metric by which checkpoints are compared by default.
        needs_offsets: whether pieces are to be found back in their texts.
    """

    settings_type: ClassVar[type[TaskSettings]]
    usual_best: str
    needs_offsets: ClassVar[bool] = False
    losses: tuple[str, ...] = ("example",)

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        metric = description.settings.get("best_metric") or self.usual_best
        self.best = Best(metric, metric not in LOWER_IS_BETTER)

    @classmethod
    def describe(
        cls, settings: Any, examples: Sequence[Any], max_seq_length: int
    ) -> TaskDescription:
        """Returns the description of a task: its settings, and what examples decide.

        Args:
            settings: of `settings_type`.
            examples: of the files to train on, those held out of them, too.
            max_seq_length: tokens of the longest sequences.

        Raises:
            InputError: there is nothing to learn from these examples.
        """
        return TaskDescription(
            settings.name, max_seq_length, settings=dataclasses.asdict(settings)
        )

    @classmethod
    def load_start(cls, settings: Any, init_from: str) -> ModelWeights:
        """Returns what a run starts from: by default a checkpoint's weights.

        Args:
            settings: of `settings_type`.
            init_from: what the configuration names.

        Raises:
            InputError: nothing of the kind there.
        """
        return load_any(init_from)

    @classmethod
    def for_checkpoint(
        cls, description: TaskDescription, weights: ModelWeights
    ) -> TaskDescription:
        """Returns a description with what the checkpoint to start from decides.

        Args:
            description: of `describe`.
            weights: of the checkpoint.

        Raises:
            InputError: the task's settings don't fit the checkpoint.
        """
        weights.check_post_norm("init_from")
        return description

    def initial_variables(self, weights: ModelWeights) -> Mapping[str, np.ndarray]:
        """Returns what a new model takes of a checkpoint, by its own names.

        A head is taken only if it is of the same task and labels.
        """
        ours, theirs = self.description, weights.task
        same = (theirs.name, theirs.labels) == (ours.name, ours.labels)
        return {
            name: value
            for name, value in weights.variables.items()
            if same or name.startswith("bert/")
        }

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of an encoder's inputs; see `Task`."""
        names = ("input_ids", "input_mask", "segment_ids")
        return dict.fromkeys(names, max_seq_length)

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Returns `loss`, and `accuracy` where right answers are counted."""
        result = super().summarize(sums)
        (loss,) = self.losses
        names = {"loss": "loss", f"{loss}_accuracy": "accuracy"}
        return {new: result[old] for old, new in names.items() if old in result}

    @abc.abstractmethod
    def texts(self, examples: Sequence[Any]) -> dict[str, list[str]]:
        """Returns what is to be tokenized, by name: one text or more an example."""

    @abc.abstractmethod
    def assemble(
        self,
        examples: Sequence[Any],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns examples as ids, and the targets that go by token or window.

        Args:
            examples: with or without targets.
            pieces: of what `texts` returned.
            vocabulary: whose ids these are.
        """

    def encode(
        self,
        examples: Sequence[Any],
        vocabulary: Vocabulary,
        cache_directory: Path | None = None,
    ) -> EncodedExamples:
        """Returns examples as ids; see `PredictingTask` and `assemble`."""
        tokenized = tokenize_cached(
            self.texts(examples),
            vocabulary,
            cache_directory,
            with_offsets=self.needs_offsets,
        )
        if cache_directory is not None:
            logging.info("%s", tokenized.note)
        return self.assemble(examples, tokenized.pieces, vocabulary)

    def encode_unlabelled(
        self,
        examples: Sequence[Any],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Returns examples without targets as ids, for a teacher to answer.

        Where targets say what has an answer, such as which tokens, they have some
        target or other.

        Args:
            examples: without targets.
            vocabulary: of the model.
            cache_directory: see `encode`.

        Raises:
            InputError: the task learns nothing of such examples.
        """
        return self.encode(examples, vocabulary, cache_directory)

    @abc.abstractmethod
    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns what is to be learned of each example, name -> `[examples, ...]`.

        Where examples may be several sequences, `assemble` gives the targets.

        Raises:
            InputError: a label that the task does not know.
        """

    def training_targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns what training needs beside the targets, name -> `[examples, ...]`."""
        return {}

    @classmethod
    def strata(cls, examples: Sequence[Any]) -> Sequence[Any] | None:
        """Returns what is to be held out in equal shares, one an example; or None."""
        return None

    @classmethod
    def groups(cls, examples: Sequence[Any]) -> Sequence[Sequence[str]] | None:
        """Returns the texts of each example of which all are held out, or none.

        None for all texts of an example together.
        """
        return None

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns what is worth knowing of training examples, as lines of text."""
        return []

    def held_out_source(
        self, examples: Sequence[Example], vocabulary: Vocabulary
    ) -> LabelledSource:
        """Returns examples with their targets as a held-out source."""
        encoded = self.encode(examples, vocabulary)
        length = self.description.max_seq_length or int(encoded.lengths.max())
        encoded = encoded.with_targets(**self.targets(examples))
        return LabelledSource(encoded, length, seed=None, examples=examples)

    def open_held_out(self, path: str, vocabulary: Vocabulary) -> ExampleSource:
        """Opens files of labelled examples, read as in training; see `Task`."""
        examples = load_examples(
            self.kind, find_input_files(path), self.read_options, LabelledReport()
        )
        return self.held_out_source(examples, vocabulary)

    @property
    def read_options(self) -> ReadOptions:
        """How files are read: as in training."""
        stated = self.description.settings.get("reading", {})
        return from_dict(ReadOptions, stated, "the model's task: reading")

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of examples; see `Task`."""
        count = tf.reduce_sum(batch["example_weights"])
        return {name: count for name in self.losses}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        weights = batch["example_weights"] * real[..., None]
        return {**batch, "example_weights": weights}
