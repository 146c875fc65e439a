"""Learning from a teacher: the task's own loss, and how near the student comes to it.

The teacher answers to the same batch, without dropout, in the graph of the training
step, or has done so before (`teacher_cache`). It is no part of the student's model:
nothing of it is trained or saved.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.compression.added_variables import add_variable, added_variables
from bert_tf.compression.distillation_config import DistillationConfig
from bert_tf.compression.lessons import Lessons
from bert_tf.compression.teacher_cache import TAUGHT
from bert_tf.compression.unlabelled import labelled_only, labelled_part
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.labelled.source import LabelledSource
from bert_tf.layers.base import derive_seed
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.task import Task
from bert_tf.tasks.wrapping_task import WrappingTask

_METHOD = "distillation"
_LEARNED = "learned/"  # Of the student, as `TAUGHT` of the teacher.
_EMBEDDING = "sentence_embedding"


class DistillationTask(WrappingTask):
    """A task whose student also learns what a teacher says and sees.

    Source: Hinton et al. 2015 (arXiv:1503.02531); Sanh et al. 2019 (arXiv:1910.01108);
    Jiao et al. 2019 (arXiv:1909.10351); Wang et al. 2020 (arXiv:2012.15828).

    Args:
        inner: the student's task.
        lessons: what is learned of the teacher.
        config: of distillation; on.
        cached: whether batches hold the teacher's outputs.
    """

    def __init__(
        self,
        inner: Task,
        lessons: Lessons,
        config: DistillationConfig,
        *,
        cached: bool = False,
    ):
        super().__init__(inner)
        self._lessons, self._config, self._cached = lessons, config, cached

    @property
    def methods(self) -> list[str]:
        """Says who the teacher was and what was learned of it; see `Task`."""
        weights = {"own loss": self._config.hard_weight, **self._lessons.weights}
        compared = ", ".join(
            f"{name.replace('_', ' ')} {weight:g}" for name, weight in weights.items()
        )
        return [
            *super().methods,
            f"Distilled from {self._lessons.teacher.name} (weights: {compared}).",
        ]

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> keras.Model:
        """Returns the student, with projections where widths differ; see `Task`."""
        model = super().create_model(
            config, seed=seed, rematerialize=rematerialize, dtype=dtype
        )
        width = self._lessons.teacher.weights.config.hidden_size
        if width != config.hidden_size:
            for name in self._projected():
                generator = np.random.default_rng(derive_seed(seed, name))
                value = generator.standard_normal([config.hidden_size, width])
                value /= math.sqrt(config.hidden_size)
                add_variable(model, f"{_METHOD}/{name}", value, trainable=True)
        if self._lessons.weights and not self._cached:
            self._lessons.create_teacher(dtype)
        return model

    def _projected(self) -> list[str]:
        """Returns what a student of another width needs a projection for.

        One for the embeddings and one for the layers, as in TinyBERT (section 3.1), and
        one for the vectors of texts.
        """
        names = []
        if "hidden_state" in self._lessons.weights:
            names.append("embeddings")
        if {"hidden_state", "cosine"} & self._lessons.weights.keys():
            names.append("hidden_states")
        if self._lessons.has_vectors:
            names.append(_EMBEDDING)
        return names

    # A step.

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the student and, while training, the teacher; see `Task`."""
        if not (training and self._lessons.weights):
            return super().apply(
                model, batch, training=training, dropout_seed=dropout_seed
            )
        outputs = self.inner.inspect(
            model,
            labelled_only(batch),  # Some models sum the task's own loss themselves.
            training=True,
            dropout_seed=dropout_seed,
            **self._lessons.arguments,
        )
        learned = self._in_the_teachers_width(model, self._lessons.learned(outputs))
        return {
            **outputs,
            **{_LEARNED + name: value for name, value in learned.items()},
            **{TAUGHT + name: value for name, value in self._taught(batch).items()},
        }

    def _taught(self, batch: Batch) -> Outputs:
        """Returns what the teacher says and sees of a batch."""
        return _under(TAUGHT, batch) if self._cached else self._lessons.taught(batch)

    def _in_the_teachers_width(
        self, model: keras.Model, learned: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns what is compared, vectors projected where widths differ."""
        kernels = added_variables(model, _METHOD)
        result = dict(learned)
        for name, x in learned.items():
            kernel = kernels.get(_projection(name))
            if kernel is not None:
                x = tf.cast(x, tf.float32)
                result[name] = tf.tensordot(x, tf.convert_to_tensor(kernel), 1)
        return result

    # Its losses.

    @property
    def added_losses(self) -> tuple[str, ...]:
        """Names of what is compared with the teacher."""
        return tuple(self._lessons.weights)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the numbers of labelled examples, of answers, and of tokens."""
        return self.inner.weights(labelled_only(batch)) | {
            name: tf.reduce_sum(self._lessons.counts(name, batch))
            for name in self.added_losses
        }

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums what each loss is, times its weight in the configuration; see `Task`."""
        sums = self.inner.sums(outputs, labelled_only(batch), training=training)
        for name in self.inner.losses:
            sums[f"{name}_loss"] *= self._config.hard_weight
        learned, taught = (_under(root, outputs) for root in (_LEARNED, TAUGHT))
        for name, weight in self._lessons.weights.items():
            found = self._lessons.loss_sum(name, learned, taught, batch)
            sums[f"{name}_loss"] = weight * found
        return sums

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns the inner task's, of the labelled examples; see `Task`."""
        if isinstance(train, LabelledSource):
            train = labelled_part(train)
        return self.inner.baseline(train, held_out, seed)


def _under(root: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(root): value
        for name, value in tensors.items()
        if name.startswith(root)
    }


def _projection(name: str) -> str:
    """Returns which projection something needs, if widths differ; empty for none."""
    if name in ("embeddings", _EMBEDDING):
        return name
    return "hidden_states" if "hidden_state" in name else ""
