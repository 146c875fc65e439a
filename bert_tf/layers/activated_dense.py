"""A dense layer with an activation: BERT's `intermediate`, `pooler` and `transform`."""

import functools
from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import BaseLayer
from bert_tf.layers.block_config import ACTIVATIONS
from bert_tf.layers.dense import Dense
from bert_tf.ops.bias_gelu import bias_gelu, bias_gelu_matmul, gelu


@keras.saving.register_keras_serializable("bert_tf")
class ActivatedDense(BaseLayer):
    """A dense layer and its activation.

    Args:
        units: width of the outputs.
        activation: `gelu` (the tanh approximation), `gelu_erf` or `tanh`.
        initializer_range: standard deviation of the kernel's initial values.
        seed: Seed of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self,
        units: int,
        activation: str,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {ACTIVATIONS}. Received: {activation!r}"
            )
        self.units = units
        self.activation = activation
        self.initializer_range = initializer_range
        self.seed = seed
        self.dense = Dense(
            units, initializer_range, seed, name="dense", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the dense layer's variables."""
        self.dense.build(input_shape)

    def call(self, inputs: tf.Tensor, fused: bool = False) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`."""
        if self.activation == "tanh":
            return self.dense(inputs, activation=tf.tanh)
        approximate = self.activation == "gelu"
        if not fused:
            activation = functools.partial(gelu, approximate=approximate)
            return self.dense(inputs, activation=activation)
        return bias_gelu(
            self.dense.project(inputs),
            self.dense.bias,
            approximate=approximate,
            fused=True,
        )

    def project_by(
        self, dense: Dense, inputs: tf.Tensor, fused: bool = False
    ) -> tf.Tensor:
        """Maps `[..., inputs]` to `dense.project(self(inputs))`.

        Fused, it keeps none of GELU's activations for the backward pass.
        """
        has_kernel_alone = dense.input_transform is None and dense.product is None
        if self.activation == "tanh" or not fused or not has_kernel_alone:
            return dense.project(self(inputs, fused=fused))
        return bias_gelu_matmul(
            self.dense.project(inputs),
            self.dense.bias,
            dense.effective_kernel(),
            approximate=self.activation == "gelu",
            fused=True,
        )
