"""Pruning of weights while a model learns its task: magnitude and movement."""

import re
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from bert_tf.compression import masks
from bert_tf.compression.added_variables import (
    add_variable,
    added_variables,
    assign_in_step,
)
from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.layers.dense import Dense
from bert_tf.models.variables import named_variables
from bert_tf.reporting.sections import Section, Table
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.task import Task
from bert_tf.tasks.wrapping_task import WrappingTask

METHOD = "pruning"
"""The first step of the names of the variables that it adds."""

_KERNELS = re.compile(r"(^|/)encoder/layer_\d+/.*/kernel$")
_STRENGTH = "strength"
_LOSS = "pruning"


class PruningTask(WrappingTask):
    """A task whose model loses weights of its encoder's kernels while it learns.

    Args:
        inner: the task inside.
        config: how; validated.
        num_steps: of the run.
        learning_rate: the optimizer's, at its peak.
    """

    def __init__(
        self, inner: Task, config: PruningConfig, num_steps: int, learning_rate: float
    ):
        super().__init__(inner)
        self._config = config
        self._begin = round(config.warmup_ratio * num_steps)
        self._end = max(
            self._begin + 1, num_steps - round(config.cooldown_ratio * num_steps)
        )
        self._last_step = num_steps - 1
        # Adam's update of a variable does not depend on the size of its gradient, so
        # scores that are so many times a variable learn at a rate of their own.
        self._score_factor = config.score_learning_rate / learning_rate

    @property
    def methods(self) -> list[str]:
        """What is done beside learning the task; see `Task`."""
        config = self._config
        which = f"{config.final_sparsity:.0%} of the weights of the encoder's kernels"
        if config.is_soft:
            which = "weights of the encoder's kernels whose scores are low"
        done = f"Pruned by {config.method}: {which} are zeros."
        return [*super().methods, done]

    @property
    def settles_at(self) -> int:
        """The step at which no more weights go; see `Task`."""
        interval = self._config.update_interval
        last_choice = -(-(self._end - 1) // interval) * interval
        return max(super().settles_at, min(last_choice, self._last_step) + 1)

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> keras.Model:
        """Returns the inner task's model, its kernels behind masks; see `Task`.

        Raises:
            InputError: a kernel is no whole number of blocks.
        """
        model = super().create_model(
            config, seed=seed, rematerialize=rematerialize, dtype=dtype
        )
        for name, dense in pruned_layers(model).items():
            shape = self._mask_shape(name, dense)
            mask = add_variable(
                model, f"{METHOD}/masks/{name}", np.ones(shape), trainable=False
            )
            scores = None
            if self._config.learns_scores:
                scores = add_variable(
                    model, f"{METHOD}/scores/{name}", np.zeros(shape), trainable=True
                )
            self._put(dense, mask, scores)
        if self._config.is_soft:
            add_variable(model, f"{METHOD}/{_STRENGTH}", np.zeros([]), trainable=False)
        return model

    def begin_step(self, model: keras.Model, step: tf.Tensor) -> None:
        """Chooses anew what stays, where that is due; see `Task`."""
        super().begin_step(model, step)
        is_due = (step % self._config.update_interval == 0) | (step == self._last_step)
        progress = masks.cubic_progress(step, self._begin, self._end)

        def choose() -> tf.Tensor:
            self._choose(model, progress)
            return tf.constant(True)

        tf.cond(is_due, choose, lambda: tf.constant(True))

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; see `Task`."""
        outputs = super().apply(
            model, batch, training=training, dropout_seed=dropout_seed
        )
        if not (training and self._config.is_soft):
            return outputs
        variables = added_variables(model, METHOD)
        sigmoids = [
            tf.reshape(tf.sigmoid(self._scaled(scores)), [-1])
            for name, scores in variables.items()
            if name.startswith("scores/")
        ]
        strength = tf.convert_to_tensor(variables[_STRENGTH])
        penalty = strength * tf.reduce_mean(tf.concat(sigmoids, 0))
        return {**outputs, _LOSS: penalty}

    @property
    def added_losses(self) -> tuple[str, ...]:
        """The penalty of soft movement."""
        return (_LOSS,) if self._config.is_soft else ()

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns what each loss is divided by; see `Task`."""
        weights = super().weights(batch)
        if self._config.is_soft:
            # Any weight that adds up over a batch however it is cut up.
            weights[_LOSS] = tf.add_n(list(weights.values()))
        return weights

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums losses and counts; see `Task`."""
        sums = super().sums(outputs, batch, training=training)
        if self._config.is_soft:
            weight = self.weights(batch)[_LOSS]
            sums[f"{_LOSS}_loss"] = outputs[_LOSS] * weight
        return sums

    def figures(self, model: keras.Model) -> dict[str, float]:
        """Returns the share of zeros in the encoder's kernels; see `Task`."""
        found = {name: mask.numpy() for name, mask in _masks(model).items()}
        kept = sum(mask.sum(dtype=np.float64) for mask in found.values())
        total = sum(mask.size for mask in found.values())
        return {**super().figures(model), "encoder_sparsity": float(1 - kept / total)}

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns the inner task's, and how many weights of each kernel are zeros."""
        rows = [
            [name, dense.kernel.shape[0], dense.kernel.shape[1], 1 - float(share)]
            for (name, dense), share in zip(
                pruned_layers(model).items(),
                [mask.numpy().mean() for mask in _masks(model).values()],
                strict=True,
            )
        ]
        table = Table(rows, ["kernel", "rows", "columns", "share of zeros"])
        inner = super().sections(model, held_out, seed)
        return [*inner, Section("Pruned weights", [table])]

    def _mask_shape(self, name: str, dense: Dense) -> tuple[int, int]:
        """Returns how many blocks a kernel has in each direction."""
        (rows, columns), (height, width) = dense.kernel.shape, self._config.block
        if rows % height or columns % width:
            raise InputError(
                f"`pruning.block` must divide every kernel of the encoder. {name} is "
                f"{rows} by {columns}. Received: {height} by {width}"
            )
        return rows // height, columns // width

    def _put(
        self, dense: Dense, mask: keras.Variable, scores: keras.Variable | None
    ) -> None:
        """Lets a kernel be seen through its mask, after what changes it already."""
        before = dense.kernel_transform

        def transform(kernel: tf.Tensor) -> tf.Tensor:
            kernel = kernel if before is None else before(kernel)
            seen = tf.convert_to_tensor(mask)
            if scores is not None:
                seen = masks.straight_through(self._scaled(scores), seen)
            return masks.multiply_blocks(kernel, seen, self._config.block)

        dense.kernel_transform = transform

    def _scaled(self, scores: keras.Variable) -> tf.Tensor:
        """Returns scores that learn at their own rate; their gradient is not scaled."""
        value = tf.convert_to_tensor(scores)
        return value + tf.stop_gradient((self._score_factor - 1.0) * value)

    def _choose(self, model: keras.Model, progress: tf.Tensor) -> None:
        """Assigns the masks anew."""
        found, variables = _masks(model), added_variables(model, METHOD)
        scores = [
            self._scores(variables, *each) for each in pruned_layers(model).items()
        ]
        if self._config.is_soft:
            share = tf.cast(progress, tf.float32)
            assign_in_step(variables[_STRENGTH], share * self._config.regularization)
            threshold = share * self._config.score_threshold
            chosen = [tf.cast(tf.sigmoid(s) > threshold, tf.float32) for s in scores]
        else:
            kept = 1.0 - progress * self._config.final_sparsity
            if self._config.scope == "global":
                chosen = masks.keep_largest(scores, kept)
            else:
                chosen = [masks.keep_largest([each], kept)[0] for each in scores]
        for variable, mask in zip(found.values(), chosen, strict=True):
            assign_in_step(variable, mask)

    def _scores(
        self, variables: dict[str, keras.Variable], name: str, dense: Dense
    ) -> tf.Tensor:
        """Returns by what the weights of a kernel are compared."""
        if self._config.learns_scores:
            return self._scaled(variables[f"scores/{name}"])
        kernel = tf.abs(tf.convert_to_tensor(dense.kernel))
        return masks.block_sums(kernel, self._config.block)


def pruned_layers(model: keras.Model) -> dict[str, Dense]:
    """Returns the layers whose kernels lose weights, by the kernels' names."""
    layers = {
        id(layer.kernel): layer
        for layer in model._flatten_layers()
        if isinstance(layer, Dense)
    }
    return {
        name: layers[id(variable)]
        for name, variable in named_variables(model).items()
        if _KERNELS.search(name) and id(variable) in layers
    }


def _masks(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the masks by the names of their kernels."""
    return {
        name.removeprefix("masks/"): variable
        for name, variable in added_variables(model, METHOD).items()
        if name.startswith("masks/")
    }
