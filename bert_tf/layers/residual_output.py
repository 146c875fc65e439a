"""How a sub-layer begins and ends, and with it the place of the LayerNorm."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import ConfiguredLayer
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.dense import Dense
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.ops.dropout import dropout, fused_dropout
from bert_tf.ops.layer_norm import dropout_add_layer_norm, layer_norm


@keras.saving.register_keras_serializable("bert_tf")
class ResidualOutput(ConfiguredLayer):
    """A dense layer whose outputs are added to the sub-layer's inputs.

    A sub-layer f of inputs x, D being dropout:

        post-LN: LayerNorm(x + D(f(x)))
        pre-LN:  x + D(f(LayerNorm(x)))

    Args:
        config: the block's shape, a `BlockConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: Xiong et al. 2020 (arXiv:2002.04745), figure 1.
    """

    config_class = BlockConfig

    def build(
        self, inputs_shape: tuple[Any, ...], residual_shape: tuple[Any, ...]
    ) -> None:
        """Creates a dense layer as wide as the residual, and the LayerNorm."""
        self.dense = Dense(
            residual_shape[-1],
            self.config.initializer_range,
            self.seed,
            name="dense",
            dtype=self.dtype_policy,
        )
        self.dense.build(inputs_shape)
        self.layer_norm = LayerNorm(
            self.config.layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
        )
        self.layer_norm.build(residual_shape)

    def normalize_inputs(self, x: tf.Tensor, fused: bool = False) -> tf.Tensor:
        """Returns what the sub-layer computes on: in post-LN `x` itself."""
        return self.layer_norm(x, fused=fused) if self.config.norm_first else x

    def call(
        self,
        inputs: tf.Tensor,
        residual: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Ends a sub-layer.

        Args:
            inputs: `[batch, seq_length, inputs]`.
            residual: the sub-layer's inputs, `[batch, seq_length, hidden]`.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            `[batch, seq_length, hidden]`.
        """
        if fused:
            product = self.dense.project(inputs)
            return self.add_to(residual, product, dropout_seed, fused)
        outputs = dropout(self.dense(inputs), dropout_seed, self.config.hidden_dropout)
        if self.config.norm_first:
            return residual + outputs
        added = tf.cast(outputs, tf.float32) + tf.cast(residual, tf.float32)
        normed = layer_norm(
            added,
            self.layer_norm.gamma,
            self.layer_norm.beta,
            epsilon=self.layer_norm.epsilon,
            fused=False,
        )
        return tf.cast(normed, residual.dtype)

    def add_to(
        self,
        residual: tf.Tensor,
        product: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Ends a sub-layer whose last product, `[batch, seq_length, hidden]`, is made.

        The other arguments and the result are those of `call`.
        """
        rate = self.config.hidden_dropout
        if self.config.norm_first:
            outputs = self.dense.add_bias(product)
            return residual + fused_dropout(outputs, dropout_seed, rate)
        return dropout_add_layer_norm(
            product,
            self.dense.bias,
            residual,
            self.layer_norm.gamma,
            self.layer_norm.beta,
            seed=dropout_seed,
            rate=rate,
            epsilon=self.layer_norm.epsilon,
            fused=fused,
        )
