"""What a task's answers are, so that a student's can be compared with a teacher's.

Shapes: B batch, K sequences of a row (1 where rows are not packed), C [CLS]s of a row,
S length, L labels, H width.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression import distillation_losses as losses
from bert_tf.compression.teacher_cache import Per
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.ops.vocabulary_divergence import vocabulary_divergence
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.place_task import label_weights
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.span_losses import logits_of_sequences

Compare = Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
Losses = Callable[[Outputs, Outputs, Batch, float], tf.Tensor]
Weights = Callable[[Batch], tf.Tensor]
Values = Literal["one", "labels", "width"]


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """The answers of a task.

    Attributes:
        names: of the model's outputs that are compared.
        weights: returns which answers count, 1.0 or 0.0, from the batch alone.
        loss_sum: compares the outputs of a student with a teacher's, given the batch
            and the temperature; the sum over the answers that count.
        per: what there is one of each output of.
        values: how many numbers it is: one, one for each label, or as many as the model
            is wide; a student of another width has its own projected.
    """

    names: tuple[str, ...]
    weights: Weights
    loss_sum: Losses
    per: Per = "sequence"
    values: Values = "labels"

    def shapes(
        self, description: TaskDescription, teacher: BertConfig
    ) -> dict[str, tuple[Per, tuple[int, ...]]]:
        """Returns what a cache keeps of a teacher; see `TeacherCache`.

        Raises:
            InputError: too much to be kept.
        """
        if self.names == _SCORES:
            raise InputError(
                f"`distillation.cache_dir` must be empty for {description.name!r}: "
                f"what a teacher says of each token are {teacher.vocab_size:,} "
                "numbers. Without it the teacher answers in each step."
            )
        axes = {
            "one": (),
            "labels": (max(len(description.labels), 1),),
            "width": (teacher.hidden_size,),
        }[self.values]
        return {name: (self.per, axes) for name in self.names}


def soft_targets(task: str) -> SoftTargets:
    """Returns the answers of a task.

    Raises:
        InputError: nothing says what its answers are, as of a task of one's own.
    """
    if task not in _TASKS:
        raise InputError(
            f"`distillation.soft_weight` must be 0 for {task!r}: soft labels are known "
            f"of {', '.join(_TASKS)}. Compare hidden states, attention or relations."
        )
    return _TASKS[task]


def _one_by_one(
    names: tuple[str, ...],
    weights: Weights,
    compare: Losses,
    per: Per = "sequence",
    values: Values = "labels",
) -> SoftTargets:
    """Answers that are compared one by one.

    Args:
        names: see `SoftTargets`, as the rest.
        weights: of each answer.
        compare: as `loss_sum`, but returns the loss of each, the shape of the weights.
        per: see `SoftTargets`.
        values: likewise.
    """

    def loss_sum(
        student: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> tf.Tensor:
        found = compare(student, teacher, batch, temperature)
        return tf.reduce_sum(found * weights(batch))

    return SoftTargets(names, weights, loss_sum, per, values)


def _of_sequences(
    compare: Compare, name: str = "logits", values: Values = "labels"
) -> SoftTargets:
    """Answers about whole sequences, `[B, K]`."""

    def compared(
        student: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> tf.Tensor:
        shape = tf.concat([tf.shape(_sequences(batch)), [student[name].shape[-1]]], 0)
        return compare(
            tf.reshape(student[name], shape),
            tf.reshape(teacher[name], shape),
            temperature,
        )

    return _one_by_one((name,), _sequences, compared, values=values)


def _sequences(batch: Batch) -> tf.Tensor:
    return batch["example_weights"]


def _masked(batch: Batch) -> tf.Tensor:
    return tf.cast(batch["masked_lm_weights"], tf.float32)


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


def _distance(student: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
    del temperature  # Nor have vectors.
    return losses.relative_squared_error(student, teacher)


def _labelled(batch: Batch) -> tf.Tensor:
    return label_weights(batch["labels"])


def _tags(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares the tags of pieces, `[B, S]`."""
    del batch
    return losses.soft_label_loss(student["logits"], teacher["logits"], temperature)


def _sentences(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares whether sentences are taken, `[B, C]`."""
    del batch
    logits = [x["logits"][..., tf.newaxis] for x in (student, teacher)]
    return losses.soft_decision_loss(logits[0], logits[1], temperature)


def _spans(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares where a span starts and where it ends, `[B, K]`, the mean of both."""
    sides = []
    for name in ("start_logits", "end_logits"):
        logits = [logits_of_sequences(x[name], batch) for x in (student, teacher)]
        sides.append(losses.soft_label_loss(logits[0], logits[1], temperature))
    return (sides[0] + sides[1]) / 2.0


def _marked_choices(batch: Batch) -> tf.Tensor:
    """Returns 1.0 for one choice of each example."""
    return batch["example_weights"] * batch["is_right"]


def _choices(
    student: Outputs, teacher: Outputs, batch: Batch, temperature: float
) -> tf.Tensor:
    """Compares the probabilities of each choice's example, `[B, K]`."""
    values = losses.grouped_soft_label_loss(
        tf.reshape(student["logits"], [-1]),
        tf.reshape(teacher["logits"], [-1]),
        tf.reshape(batch["group_ids"], [-1]),
        temperature,
    )
    return tf.reshape(values, tf.shape(batch["group_ids"]))


_SCORES = ("scores",)


def _next_tokens(labels: str) -> SoftTargets:
    """What comes next, where the feature of this name says what does."""

    def weights(batch: Batch) -> tf.Tensor:
        return label_weights(batch[labels])

    def loss_sum(
        student: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> tf.Tensor:
        return vocabulary_divergence(
            student["scores"].in_rows(),
            teacher["scores"].in_rows(),
            tf.reshape(weights(batch), [-1]),
            temperature,
        )

    return SoftTargets(_SCORES, weights, loss_sum)


_TASKS: Mapping[str, SoftTargets] = {
    "pretraining": _one_by_one(("masked_lm_logits",), _masked, _masked_tokens),
    "classification": _of_sequences(losses.soft_label_loss),
    "multi_label": _of_sequences(losses.soft_decision_loss),
    "regression": _of_sequences(_squared_error),
    "multiple_choice": _one_by_one(("logits",), _marked_choices, _choices),
    "embedding": _of_sequences(_distance, "sentence_embedding", "width"),
    "token_classification": _one_by_one(("logits",), _labelled, _tags, "token"),
    "extractive_summarization": _one_by_one(
        ("logits",), _labelled, _sentences, "cls", "one"
    ),
    "question_answering": _one_by_one(
        ("start_logits", "end_logits"), _sequences, _spans, "token", "one"
    ),
    "causal_lm": _next_tokens(CausalLmTask.labels),
    "sequence_to_sequence": _next_tokens(SequenceToSequenceTask.labels),
}
