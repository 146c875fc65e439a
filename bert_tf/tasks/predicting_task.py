"""What predictions ask of a task, beyond what training does."""

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.kinds import Kind
from bert_tf.labelled.options import ReadOptions
from bert_tf.tasks.task import Task
from bert_tf.text.vocabulary import Vocabulary


class PredictingTask(Task):
    """A task whose model answers to texts.

    Attributes:
        kind: of its examples, for the readers of files.
        settings_type: a dataclass of the settings that the user of a trained model may
            change, with `validate()`.
        usual_max_seq_length: of models that do not say on how many tokens they were
            trained.
    """

    kind: Kind[Any]
    settings_type: ClassVar[type[Any]]
    usual_max_seq_length: ClassVar[int] = 512

    @property
    def max_seq_length(self) -> int:
        """Tokens of the longest sequences."""
        return self.description.max_seq_length or self.usual_max_seq_length

    @property
    @abc.abstractmethod
    def read_options(self) -> ReadOptions:
        """How files of examples are read."""

    @abc.abstractmethod
    def encode(
        self,
        examples: Sequence[Any],
        vocabulary: Vocabulary,
        cache_directory: Path | None = None,
    ) -> EncodedExamples:
        """Returns examples as ids, without targets.

        Args:
            examples: with or without targets.
            vocabulary: of the model.
            cache_directory: where tokenized texts are kept; None to keep none.
        """

    @abc.abstractmethod
    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each example, in plain values.

        Args:
            examples: with or without targets.
            encoded: the examples as ids.
            predictions: what `predictions` returned for each sequence of `encoded`.
        """
