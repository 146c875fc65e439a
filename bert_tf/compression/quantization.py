"""Quantization-aware training: learning with the rounding of the int8 file to be.

Source: Jacob et al. 2018 (arXiv:1712.05877), section 3; of BERT, Zafrir et al. 2019
(arXiv:1910.06188).
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.quantization_ranges import variable_name
from bert_tf.compression.added_variables import add_variable, assign_in_step
from bert_tf.compression.int8_products import (
    compute_in_int8,
    int8_products,
    products,
    read,
    write,
)
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.task import Task
from bert_tf.tasks.wrapping_task import WrappingTask

_UNKNOWN = np.array([[1.0, -1.0], [1.0, -1.0]], np.float32)
_LOWEST = np.full([2, 2], -np.inf, np.float32)


class QuantizationTask(WrappingTask):
    """Trains and evaluates a task's model as its int8 file will compute it.

    The ranges of activations are means of those of the steps so far, later ones
    weighing more; of a step, those of all its examples. A step computes with the ranges
    that the steps before it left, the first one with its own.

    Args:
        inner: the task inside.
        config: validated.
        num_steps: of the run.
    """

    def __init__(self, inner: Task, config: QuantizationConfig, num_steps: int):
        super().__init__(inner)
        self._decay = config.ema_decay
        self._freeze_step = max(1, round(config.freeze_ratio * num_steps))

    @property
    def methods(self) -> list[str]:
        """What is done beside learning the task; see `Task`."""
        return [
            *super().methods,
            "Trained for int8: `export_tflite --quantization=int8` uses the ranges of "
            "activations that it was trained with.",
        ]

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> keras.Model:
        """Returns the inner task's model, with ranges; see `Task`."""
        model = super().create_model(
            config, seed=seed, rematerialize=rematerialize, dtype=dtype
        )
        names = list(products(model))
        compute_in_int8(
            model,
            {
                name: add_variable(
                    model, variable_name(name), _UNKNOWN, trainable=False
                )
                for name in names
            },
            # No step leaves anything in them, so that no checkpoint needs them.
            {name: tf.Variable(_LOWEST, trainable=False) for name in names},
        )
        return model

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; see `Task`. Training looks at its activations."""
        replaced = int8_products(model).values()
        for product in replaced:
            product.observes = training
        try:
            return super().apply(
                model, batch, training=training, dropout_seed=dropout_seed
            )
        finally:
            for product in replaced:
                product.observes = False

    def end_step(
        self,
        model: keras.Model,
        step: tf.Tensor,
        applies: tf.Tensor,
        maximum: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        """Moves the ranges towards those of the step; see `Task`."""
        super().end_step(model, step, applies, maximum)
        replaced = int8_products(model).values()
        seen = [
            product.observed for product in replaced if product.observed is not None
        ]
        found = maximum(tf.stack([read(each) for each in seen])) * [-1.0, 1.0]
        changes = applies & (step < self._freeze_step)
        for index, product in enumerate(replaced):
            old, new = tf.convert_to_tensor(product.ranges), found[index]
            mean = self._decay * old + (1.0 - self._decay) * new
            mean = tf.where(old[:, :1] <= old[:, 1:], mean, new)
            # What no example of the step has come through has no range.
            mean = tf.where(tf.math.is_finite(mean), mean, old)
            assign_in_step(product.ranges, tf.where(changes, mean, old))
        for each in seen:
            write(each, tf.constant(_LOWEST))
