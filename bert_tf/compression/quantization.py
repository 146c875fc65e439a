"""Quantization-aware training: learning with the rounding of the int8 file to be.

Source: Jacob et al. 2018 (arXiv:1712.05877), section 3; of BERT, Zafrir et al. 2019
(arXiv:1910.06188).
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.quantization_ranges import bounds_name, variable_name
from bert_tf.compression.added_variables import add_variable, assign_in_step
from bert_tf.compression.int8_products import (
    MIN_ELEMENTS,
    SHARES,
    Limits,
    compute_in_int8,
    has_bounds,
    int8_products,
    products,
    read,
    write,
)
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.layers.dense import Dense
from bert_tf.layers.logits import Logits
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.task import Task
from bert_tf.tasks.wrapping_task import WrappingTask

_UNKNOWN = np.array([[1.0, -1.0], [1.0, -1.0]], np.float32)
_UNKNOWN_BOUND = -1.0


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
        limits = {
            name: _add_limits(model, name, layer)
            for name, layer in products(model).items()
        }
        if not limits:
            raise InputError(
                "`quantization.export`: int8 files keep weights of fewer than "
                f"{MIN_ELEMENTS:,} numbers in float32, and this model has no others, "
                "so there is nothing to train for. Leave it empty."
            )
        # No step leaves anything in them, so that no checkpoint needs them.
        observed = {
            name: tf.Variable(_lowest(each), trainable=False)
            for name, each in limits.items()
        }
        compute_in_int8(model, limits, observed)
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
        sizes = [product.limits.size for product in replaced]
        largest = tf.split(maximum(tf.concat([read(each) for each in seen], 0)), sizes)
        changes = applies & (step < self._freeze_step)
        for product, found in zip(replaced, largest, strict=True):
            ranges, bounds = product.limits
            inputs = found[:2] * [-1.0, 1.0]
            outputs = tf.constant(SHARES)
            if bounds is None:
                outputs = found[2:] * [-1.0, 1.0]
            old = tf.convert_to_tensor(ranges)
            new = tf.stack([inputs, outputs])
            is_known = old[:, :1] <= old[:, 1:]
            assign_in_step(ranges, self._moved(old, new, is_known, changes))
            if bounds is not None:
                old, new = tf.convert_to_tensor(bounds), tf.maximum(found[2:], 1e-6)
                assign_in_step(bounds, self._moved(old, new, old > 0, changes))
        for each, product in zip(seen, replaced, strict=True):
            write(each, _lowest(product.limits))

    def _moved(
        self, old: tf.Tensor, new: tf.Tensor, is_known: tf.Tensor, changes: tf.Tensor
    ) -> tf.Tensor:
        """Returns limits moved towards those of a step."""
        mean = self._decay * old + (1.0 - self._decay) * new
        mean = tf.where(is_known, mean, new)
        # What no example of the step has come through has no limits.
        mean = tf.where(tf.math.is_finite(new), mean, old)
        return tf.where(changes, mean, old)


def _add_limits(model: keras.Model, name: str, layer: Dense | Logits) -> Limits:
    """Gives a model the variables of a product's limits, which are not known yet."""
    ranges = add_variable(model, variable_name(name), _UNKNOWN, trainable=False)
    if not has_bounds(name):
        return Limits(ranges)
    assert isinstance(layer, Dense)
    unknown = np.full([layer.units], _UNKNOWN_BOUND, np.float32)
    return Limits(
        ranges, add_variable(model, bounds_name(name), unknown, trainable=False)
    )


def _lowest(limits: Limits) -> tf.Tensor:
    return tf.fill([limits.size], float("-inf"))
