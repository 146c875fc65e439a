"""The pieces that google-research/bert's variable names speak of.

`intermediate`, `pooler` and `transform` are a dense layer with an activation;
`output` is a dense layer that ends a residual branch.
"""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.dense import Dense
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.ops.bias_gelu import bias_gelu, bias_gelu_matmul
from bert_tf.ops.dropout import fused_dropout
from bert_tf.ops.layer_norm import dropout_add_layer_norm


@keras.saving.register_keras_serializable("bert_tf")
class ActivatedDense(keras.layers.Layer):
    """A dense layer and its activation.

    Args:
        units: width of the outputs.
        activation: `gelu` (the tanh approximation), `gelu_erf` or `tanh`.
        initializer_range: standard deviation of the kernel's initial values.
        seed: of the initial values.
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
        activations = ("gelu", "gelu_erf", "tanh")
        if activation not in activations:
            raise ValueError(
                f"`activation` must be one of {activations}. Received: {activation!r}"
            )
        self.activation = activation
        self.dense = Dense(
            units, initializer_range, seed, name="dense", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the dense layer's variables."""
        self.dense.build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`."""
        if self.activation == "tanh":
            return tf.tanh(self.dense(inputs))
        return bias_gelu(
            self.dense.project(inputs),
            self.dense.bias,
            approximate=self.activation == "gelu",
            fused=training,
        )

    def project_by(
        self, dense: Dense, inputs: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Maps `[..., inputs]` to `dense.project(self(inputs))`.

        In training it keeps none of GELU's activations.
        """
        if self.activation == "tanh":
            return dense.project(self(inputs, training=training))
        return bias_gelu_matmul(
            self.dense.project(inputs),
            self.dense.bias,
            dense.kernel,
            approximate=self.activation == "gelu",
            fused=training,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.dense.units,
            "activation": self.activation,
            "initializer_range": self.dense.initializer_range,
            "seed": self.dense.seed,
        }


@keras.saving.register_keras_serializable("bert_tf")
class ResidualOutput(keras.layers.Layer):
    """A dense layer whose outputs are added to the sub-layer's inputs.

    Post-LN normalises the sum; pre-LN has normalised the sub-layer's inputs, by the
    same parameters.

    Args:
        dropout: share of the dense layer's outputs dropped.
        layer_norm_eps: epsilon of the LayerNorm.
        norm_first: False for post-LN, True for pre-LN.
        initializer_range: standard deviation of the kernel's initial values.
        seed: of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        layer_norm_eps: float = 1e-12,
        norm_first: bool = False,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.layer_norm_eps = layer_norm_eps
        self.norm_first = norm_first
        self.initializer_range = initializer_range
        self.seed = seed

    def build(
        self,
        inputs_shape: tuple[Any, ...],
        residual_shape: tuple[Any, ...],
    ) -> None:
        """Creates a dense layer as wide as the residual, and the LayerNorm."""
        self.dense = Dense(
            residual_shape[-1],
            self.initializer_range,
            self.seed,
            name="dense",
            dtype=self.dtype_policy,
        )
        self.dense.build(inputs_shape)
        self.layer_norm = LayerNorm(
            self.layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
        )
        self.layer_norm.build(residual_shape)

    def call(
        self,
        inputs: tf.Tensor,
        residual: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Ends a sub-layer.

        Args:
            inputs: `[batch, seq_length, inputs]`.
            residual: the sub-layer's inputs, `[batch, seq_length, hidden]`.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            `[batch, seq_length, hidden]`.
        """
        product = self.dense.project(inputs)
        return self.add_to(residual, product, dropout_seed, training)

    def add_to(
        self,
        residual: tf.Tensor,
        product: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Ends a sub-layer whose last product, `[batch, seq_length, hidden]`, is made.

        The other arguments and the result are those of `call`.
        """
        seed = dropout_seed if training else None
        if self.norm_first:
            outputs = self.dense.add_bias(product)
            return residual + fused_dropout(outputs, seed, self.dropout)
        return dropout_add_layer_norm(
            product,
            self.dense.bias,
            residual,
            self.layer_norm.gamma,
            self.layer_norm.beta,
            seed=seed,
            rate=self.dropout,
            epsilon=self.layer_norm_eps,
            fused=training,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "layer_norm_eps": self.layer_norm_eps,
            "norm_first": self.norm_first,
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }
