"""What a task's answers are, so that a student's can be compared with a teacher's.

Shapes: B batch, K sequences of a row (1 where rows are not packed), S length, L labels.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression import distillation_losses as losses
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.question_answering import logits_of_sequences

Compare = Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """The answers of a task.

    Attributes:
        names: of the model's outputs that are compared.
        weights: returns which answers count, 1.0 or 0.0, from the batch alone.
        losses: compares the outputs of a student with a teacher's, given the batch and
            the temperature; the shape of the weights.
        by_token: whether the outputs go by token, or else by sequence.
        has_labels: whether each token or sequence has a score of each label, or else
            one score.
    """

    names: tuple[str, ...]
    weights: Callable[[Batch], tf.Tensor]
    losses: Callable[[Outputs, Outputs, Batch, float], tf.Tensor]
    by_token: bool = False
    has_labels: bool = True

    def axes(self, description: TaskDescription) -> tuple[int, ...]:
        """Returns the axes of a sequence's or token's scores."""
        return (max(len(description.labels), 1),) if self.has_labels else ()


def soft_targets(task: str) -> SoftTargets:
    """Returns the answers of a task.

    Raises:
        InputError: its answers are no logits.
    """
    if task not in _TASKS:
        raise InputError(
            f"`distillation.soft_weight` must be 0 for {task!r}: soft labels are known "
            f"of {', '.join(_TASKS)}. Compare hidden states, attention or relations."
        )
    return _TASKS[task]


def _of_sequences(compare: Compare) -> SoftTargets:
    """Answers about whole sequences, `[B, K]`."""

    def weights(batch: Batch) -> tf.Tensor:
        return batch["example_weights"]

    def compared(
        student: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> tf.Tensor:
        shape = tf.concat([tf.shape(weights(batch)), [student["logits"].shape[-1]]], 0)
        return compare(
            tf.reshape(student["logits"], shape),
            tf.reshape(teacher["logits"], shape),
            temperature,
        )

    return SoftTargets(("logits",), weights, compared)


def _masked_tokens(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares the guesses at masked tokens, `[B, P]`, P masked places of a row."""
    del batch
    name = "masked_lm_logits"
    return losses.soft_label_loss(student[name], teacher[name], temperature)


def _squared_error(
    student: tf.Tensor, teacher: tf.Tensor, temperature: float
) -> tf.Tensor:
    del temperature  # Numbers have none.
    return losses.squared_error(student, teacher)


def _tagged(batch: Batch) -> tf.Tensor:
    return tf.cast(batch["labels"] != IGNORED, tf.float32)


def _tags(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares the tags of pieces, `[B, S]`."""
    del batch
    return losses.soft_label_loss(student["logits"], teacher["logits"], temperature)


def _spans(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares where a span starts and where it ends, `[B, K]`, the mean of both."""
    sides = []
    for name in ("start_logits", "end_logits"):
        logits = [logits_of_sequences(x[name], batch) for x in (student, teacher)]
        sides.append(losses.soft_label_loss(logits[0], logits[1], temperature))
    return (sides[0] + sides[1]) / 2.0


_TASKS: Mapping[str, SoftTargets] = {
    "pretraining": SoftTargets(
        ("masked_lm_logits",),
        lambda batch: tf.cast(batch["masked_lm_weights"], tf.float32),
        _masked_tokens,
    ),
    "classification": _of_sequences(losses.soft_label_loss),
    "multi_label": _of_sequences(losses.soft_decision_loss),
    "regression": _of_sequences(_squared_error),
    "token_classification": SoftTargets(("logits",), _tagged, _tags, by_token=True),
    "question_answering": SoftTargets(
        ("start_logits", "end_logits"),
        lambda batch: batch["example_weights"],
        _spans,
        by_token=True,
        has_labels=False,
    ),
}
