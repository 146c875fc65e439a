"""The checkpoint that a student learns from. Free of TensorFlow."""

import dataclasses
import hashlib
from typing import Any, Self

import numpy as np

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.checkpoints.workdir import run_name
from bert_tf.errors import InputError
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A checkpoint that only answers.

    Attributes:
        path: as the configuration names it.
        weights: of the checkpoint.
    """

    path: str
    weights: ModelWeights

    @classmethod
    def load(cls, path: str, student: str = "") -> Self:
        """Opens a checkpoint of any format.

        Args:
            path: as the configuration names it.
            student: the student's task.

        Raises:
            InputError: it cannot be read, or has no vocabulary, or the student's task
                has no such models.
        """
        weights = load_any(path)
        if student != "causal_lm":
            weights.check_post_norm(f"`distillation.teacher` {path}")
        if weights.vocabulary is None:
            raise InputError(
                f"`distillation.teacher` {path}: has no vocabulary, so nobody knows "
                "what its ids mean. Give it one with "
                "`python -m bert_tf.convert_checkpoint --vocab_file=...`."
            )
        # Both must score the same entries.
        return cls(path, resizing.without_surplus_rows(weights))

    @property
    def name(self) -> str:
        """What people call it."""
        return run_name(self.path)

    def fingerprint(self) -> dict[str, Any]:
        """Returns what tells this teacher from any other, wherever it lies."""
        # A field that a later version adds changes nothing at its default.
        config = self.weights.config
        values, usual = map(dataclasses.asdict, (config, type(config)()))
        stated = {name: v for name, v in values.items() if v != usual[name]}
        digest = hashlib.sha256(repr(sorted(stated.items())).encode())
        for name, array in sorted(self.weights.variables.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).data)
        assert self.weights.vocabulary is not None
        return {
            "weights_hash": digest.hexdigest(),
            "vocab_hash": self.weights.vocabulary.hash,
        }

    def check_vocabulary(self, vocabulary: Vocabulary, student: str) -> None:
        """Raises an InputError unless ids mean the same to the student.

        Args:
            vocabulary: the student's.
            student: what it starts from, for the message.
        """
        theirs = self.weights.vocabulary
        assert theirs is not None
        if theirs == vocabulary:
            return
        difference = "reads text with other settings of case and accents"
        if theirs.entries != vocabulary.entries:
            difference = (
                f"has {len(theirs):,} entries, the student's {len(vocabulary):,}"
            )
            if len(theirs) == len(vocabulary):
                difference = "has other entries than the student's"
        raise InputError(
            f"`distillation.teacher` {self.path}: its vocabulary {difference} "
            f"({student}). Both must read the same ids: start the student from the "
            "teacher's layers with --config.distillation.student_layers, or adapt one "
            "with `python -m bert_tf.convert_checkpoint --vocab_file=...`."
        )

    def check_length(self, max_seq_length: int) -> None:
        """Raises an InputError if sequences are longer than the teacher can read."""
        positions = self.weights.config.max_position_embeddings
        if max_seq_length > positions:
            raise InputError(
                f"`data.max_seq_length` must be at most {positions}, the positions of "
                f"the teacher {self.path}. Received: {max_seq_length}"
            )

    def check_answers(self, description: TaskDescription) -> None:
        """Raises an InputError unless the teacher answers what the student learns."""
        theirs = self.weights.task
        if (theirs.name, description.name) == ("pretraining", "embedding"):
            return  # Any encoder pools, as most published ones do not say how.
        if theirs.name != description.name:
            raise InputError(
                f"`distillation.teacher` {self.path}: was trained for {theirs.name!r}, "
                f"so it has no soft labels of {description.name!r}. Fine-tune it for "
                "that first, or give --config.distillation.soft_weight=0 and compare "
                "hidden states, attention or relations."
            )
        if theirs.labels != description.labels:
            raise InputError(
                f"`distillation.teacher` {self.path}: its labels are "
                f"{list(theirs.labels)}, the student's {list(description.labels)}. "
                "Train both on the same labels in the same order; of a classifier "
                "`task.labels` states it."
            )
        if description.name == decoder_description.TASK:
            self._check_decoder(description)

    def _check_decoder(self, description: TaskDescription) -> None:
        """Raises an InputError unless both write the same entries, as long."""
        theirs = self.weights.task.settings
        entries = [
            decoder_description.vocabulary_of(settings) or self.weights.vocabulary
            for settings in (theirs, description.settings)
        ]
        if entries[0] != entries[1]:
            raise InputError(
                f"`distillation.teacher` {self.path}: what it writes has another "
                "vocabulary than what the student does. Name the same checkpoint with "
                "--config.task.decoder_from for both, or none."
            )
        config = decoder_description.config_of(theirs) or self.weights.config
        most = config.max_position_embeddings + 1
        longest = description.settings.get("max_target_length", 0)
        if longest > most:
            raise InputError(
                f"`task.max_target_length` must be at most {most}, one more than the "
                f"positions of the teacher {self.path} for what it writes. Received: "
                f"{longest}"
            )
