"""What a student learns of its teacher: which outputs of both are compared, and how."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_tf.compression import distillation_losses as losses
from bert_tf.compression.compared_states import (
    LayerMap,
    compared_states,
    model_arguments,
    state_names,
)
from bert_tf.compression.distillation_config import DistillationConfig
from bert_tf.compression.soft_targets import soft_targets
from bert_tf.compression.teacher import Teacher
from bert_tf.compression.teacher_cache import Per
from bert_tf.compression.teacher_model import create_teacher, task_of_teacher
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.ops.masks import causal_mask, padding_mask, same_example_mask
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.task import Task


class Lessons:
    """What is compared, of a task, a teacher and a student's shape.

    The phases of a run share one: it holds the teacher's model.

    Args:
        task: the student's.
        teacher: what it learns from.
        config: what of it; on.
        student: the student's shape.

    Attributes:
        teacher: the same.
        weights: names of the losses -> what they are multiplied by.

    Raises:
        InputError: the teacher does not fit the student or the configuration.
    """

    def __init__(
        self,
        task: Task,
        teacher: Teacher,
        config: DistillationConfig,
        student: BertConfig,
    ):
        self.teacher, self._student = teacher, student
        self._task, self._teachers_task = task, task_of_teacher(teacher, task)
        self._map = LayerMap.of(config, student, teacher.weights.config)
        weights = {
            "soft_label": config.soft_weight,
            "hidden_state": config.hidden_weight,
            "cosine": config.cosine_weight,
            "attention": config.attention_weight,
            "relation": config.relation_weight,
        }
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self._check_inside()
        self._temperature = config.temperature
        self._model: keras.Model | None = None
        self._answers = None
        if "soft_label" in self.weights:
            self._answers = soft_targets(task.name)
            teacher.check_answers(task.description)
        if "attention" in self.weights:
            self._check_heads()
        theirs = teacher.weights.config.heads_of(self._map.relation_layer)
        self._relation_heads = config.relation_heads or theirs
        if "relation" in self.weights:
            self._check_relation_heads()

    def _check_inside(self) -> None:
        inside = self.weights.keys() - {"soft_label"}
        if inside and self._task.name == SequenceToSequenceTask.name:
            raise InputError(
                "`distillation`: of a 'sequence_to_sequence' teacher a student learns "
                "soft labels alone; hidden_weight, cosine_weight, attention_weight and "
                f"relation_weight must be 0. Received: a {sorted(inside)[0]} weight "
                "that is not"
            )

    def _check_heads(self) -> None:
        for own, layer in enumerate(self._map.teachers):
            heads = self._student.heads_of(own)
            theirs = self.teacher.weights.config.heads_of(layer)
            if heads != theirs:
                raise InputError(
                    "`distillation.attention_weight` must be 0: the student has "
                    f"{heads} attention heads in layer {own}, the teacher {theirs} in "
                    f"layer {layer}. Compare relations, with "
                    "--config.distillation.relation_weight, which need no equal heads."
                )

    def _check_relation_heads(self) -> None:
        last = self._student.num_hidden_layers - 1
        for name, width in (
            ("teacher", _width(self.teacher.weights.config, self._map.relation_layer)),
            ("student", _width(self._student, last)),
        ):
            if width % self._relation_heads:
                raise InputError(
                    f"`distillation.relation_heads` must divide the width of the "
                    f"{name}'s attention, {width}. Received: {self._relation_heads}"
                )

    @property
    def arguments(self) -> dict[str, bool]:
        """What a model is called with, so that its outputs hold what is compared."""
        return model_arguments(self.weights)

    @property
    def has_vectors(self) -> bool:
        """Whether the answers that are compared are as wide as the model."""
        return self._answers is not None and self._answers.values == "width"

    def learned(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is compared of a student, by the names that `taught` has."""
        layers = self._map.students
        return self._compared(outputs, layers, layers[-1])

    def _compared(
        self, outputs: Mapping[str, Any], layers: Sequence[int], relation_layer: int
    ) -> dict[str, Any]:
        """Returns answers and states; see `compared_states`."""
        names = self._answers.names if self._answers is not None else ()
        answers = {name: outputs[name] for name in names}
        states = compared_states(outputs, layers, relation_layer, self.weights)
        return {**answers, **states}

    # The teacher.

    def create_teacher(self, dtype: str | None) -> None:
        """Creates the teacher's model, for `taught`; in the scope of the strategy.

        Args:
            dtype: name of a Keras dtype policy, None for the global one.

        Raises:
            InputError: the teacher lacks variables that are needed.
        """
        self._model = create_teacher(
            self.teacher,
            self._teachers_task,
            dtype,
            answers=self._answers is not None,
        )

    def taught(self, batch: Batch) -> Outputs:
        """Returns what the teacher says and sees of a batch, in the graph."""
        assert self._model is not None, "`create_teacher` comes first"
        outputs = self._teachers_task.inspect(self._model, batch, **self.arguments)
        found = self._compared(outputs, self._map.teachers, self._map.relation_layer)
        return {
            name: tf.nest.map_structure(tf.stop_gradient, value)
            for name, value in found.items()
        }

    @property
    def key(self) -> dict[str, Any]:
        """What decides about the numbers that `taught` returns, but for the batch."""
        # Nothing else depends on the student's depth.
        by_layer = {"hidden_state", "attention"} & self.weights.keys()
        return {
            **self.teacher.fingerprint(),
            "task": self._task.name,
            # What decides about embeddings and is no weight.
            "pooling": {
                name: value
                for name, value in self._teachers_task.description.settings.items()
                if name in ("pooling", "normalize")
            },
            "layers": self._map.teachers if by_layer else (),
            "relation_layer": self._map.relation_layer,
        }

    @property
    def shapes(self) -> dict[str, tuple[Per, tuple[int, ...]]]:
        """What each of the teacher's outputs goes by, and its further axes.

        Raises:
            InputError: some of them are too large to be kept.
        """
        config = self.teacher.weights.config
        layers = {
            f"{part}_{number}": layer
            for number, layer in enumerate(self._map.teachers)
            for part in ("query", "key")
        }
        layers |= dict.fromkeys(state_names(["relation"], 0), self._map.relation_layer)
        shapes: dict[str, tuple[Per, tuple[int, ...]]] = {}
        for name in state_names(self.weights, len(self._map.teachers)):
            layer = layers.get(name)
            width = config.hidden_size if layer is None else _width(config, layer)
            shapes[name] = ("token", (width,))
        if self._answers is not None:
            shapes |= self._answers.shapes(self._task.description, config)
        return shapes

    # What a batch comes to.

    def counts(self, name: str, batch: Batch) -> tf.Tensor:
        """Returns what a loss counts, 1.0 or 0.0: answers, or tokens."""
        if name == "soft_label":
            assert self._answers is not None
            return self._answers.weights(batch)
        return tf.cast(batch["input_mask"], tf.float32)

    def loss_sum(
        self, name: str, student: Outputs, teacher: Outputs, batch: Batch
    ) -> tf.Tensor:
        """Returns how far a student is from its teacher, over all that counts.

        What is compared layer by layer is summed over the layers; of relations it is
        the mean of queries', keys' and values'.

        Args:
            name: of the loss.
            student: what `learned` returns, in the teacher's width.
            teacher: what `taught` returns.
            batch: the examples.
        """
        if name == "soft_label":
            assert self._answers is not None
            return self._answers.loss_sum(student, teacher, batch, self._temperature)
        losses_BS = self._of_states(name, student, teacher, batch)
        return tf.reduce_sum(losses_BS * self.counts(name, batch))

    def _of_states(
        self, name: str, student: Outputs, teacher: Outputs, batch: Batch
    ) -> tf.Tensor:
        """Returns how far states are from each other, `[batch, seq_length]`."""
        if name == "cosine":
            last = "last_hidden_state"
            return losses.cosine_distance(student[last], teacher[last])
        if name == "hidden_state":
            return tf.add_n(
                [
                    losses.squared_error(student[state], teacher[state])
                    for state in state_names([name], len(self._map.teachers))
                ]
            )
        mask = tf.cast(self._sees(batch), tf.float32)
        if name == "relation":
            values = [
                losses.relation_loss(
                    student[state], teacher[state], mask, self._relation_heads
                )
                for state in state_names([name], 0)
            ]
            return tf.add_n(values) / 3.0
        return tf.add_n(
            [
                losses.attention_error(
                    (student[f"query_{number}"], student[f"key_{number}"]),
                    (teacher[f"query_{number}"], teacher[f"key_{number}"]),
                    mask,
                    self._student.heads_of(number),
                )
                for number in self._map.students
            ]
        )

    def _sees(self, batch: Batch) -> tf.Tensor:
        """Returns which position sees which; see `bert_tf.ops.masks`."""
        mask = padding_mask(batch["input_mask"])
        if "example_ids" in batch:
            mask = same_example_mask(batch["example_ids"])
        if self._task.name == CausalLmTask.name:
            length = tf.shape(batch["input_mask"])[1]
            mask *= causal_mask(length, length)
        return mask


def _width(config: BertConfig, layer: int) -> int:
    """Returns the width of a layer's queries, keys and values, heads side by side."""
    return config.heads_of(layer) * config.head_size
