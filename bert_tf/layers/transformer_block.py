"""One layer of a transformer: attention, then a feed-forward network."""

import functools
from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.attention_sublayer import AttentionSublayer
from bert_tf.layers.parts import part_of
from bert_tf.layers.sublayers import ActivatedDense, ResidualOutput
from bert_tf.ops.dropout import split


@keras.saving.register_keras_serializable("bert_tf")
class TransformerBlock(keras.layers.Layer):
    """Self-attention, optionally cross-attention, and a feed-forward network.

    Args:
        num_heads: heads of each attention.
        intermediate_size: width between the feed-forward network's two products.
        activation: `gelu` (the tanh approximation) or `gelu_erf`.
        attention_dropout: share of the attention probabilities dropped.
        hidden_dropout: share of each sub-layer's outputs dropped.
        layer_norm_eps: epsilon of each LayerNorm.
        norm_first: False for post-LN as published, True for pre-LN; a pre-LN stack
            needs one more LayerNorm at its end.
        causal: whether a position attends only to itself and those before it.
        cross_attention: whether the block also attends to a `memory`.
        initializer_range: standard deviation of the kernels' initial values.
        seed: of the initial values.
        **kwargs: name and dtype.

    Source: Devlin et al. 2019 (arXiv:1810.04805); pre-LN: Xiong et al. 2020
    (arXiv:2002.04745).
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_size: int,
        activation: str = "gelu",
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        layer_norm_eps: float = 1e-12,
        norm_first: bool = False,
        causal: bool = False,
        cross_attention: bool = False,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.seed = seed
        self.causal = causal
        make_attention = functools.partial(
            AttentionSublayer,
            num_heads,
            attention_dropout,
            hidden_dropout,
            layer_norm_eps,
            norm_first,
            initializer_range,
        )
        self.attention = make_attention(**part_of(self, "attention"))
        self.cross_attention = (
            make_attention(**part_of(self, "crossattention"))
            if cross_attention
            else None
        )
        self.intermediate = ActivatedDense(
            intermediate_size,
            activation,
            initializer_range,
            **part_of(self, "intermediate"),
        )
        self.residual_output = ResidualOutput(
            hidden_dropout,
            layer_norm_eps,
            norm_first,
            initializer_range,
            **part_of(self, "output"),
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the variables of all sub-layers; memory is as wide as the inputs."""
        self.attention.build(input_shape)
        if self.cross_attention is not None:
            self.cross_attention.build(input_shape)
        self.intermediate.build(input_shape)
        intermediate_shape = (*input_shape[:-1], self.intermediate.dense.units)
        self.residual_output.build(intermediate_shape, input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Applies the block.

        Args:
            inputs: `[batch, seq_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or seq_length, seq_length]`, 1 where a
                position may attend to another.
            memory: `[batch, memory_length, hidden]`, for cross-attention.
            memory_mask: int32 `[batch, 1, 1, memory_length]`.
            positions: int32 `[batch, outputs]`, those wanted: the others are attended
                to but cost no more than that. None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            The shape of the inputs, or `[batch, outputs, hidden]`.

        Raises:
            ValueError: `memory` is missing or not wanted.
        """
        if (memory is None) != (self.cross_attention is None):
            raise ValueError(
                "`memory` must be given exactly if `cross_attention` is True. "
                f"Received: memory={memory}, "
                f"cross_attention={self.cross_attention is not None}"
            )
        seeds = [None] * 3 if dropout_seed is None else split(dropout_seed, 3)
        if self.causal:
            length = tf.shape(inputs)[1]
            attention_mask *= tf.linalg.band_part(
                tf.ones([length, length], attention_mask.dtype), -1, 0
            )
        x = self.attention(
            inputs,
            attention_mask,
            positions=positions,
            dropout_seed=seeds[0],
            training=training,
        )
        if self.cross_attention is not None:
            x = self.cross_attention(
                x, memory_mask, memory, dropout_seed=seeds[1], training=training
            )
        normed = x
        if self.residual_output.norm_first:
            normed = self.residual_output.layer_norm(x, training=training)
        product = self.intermediate.project_by(
            self.residual_output.dense, normed, training=training
        )
        return self.residual_output.add_to(
            x, product, dropout_seed=seeds[2], training=training
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.attention.attention.num_heads,
            "intermediate_size": self.intermediate.dense.units,
            "activation": self.intermediate.activation,
            "attention_dropout": self.attention.attention.dropout,
            "hidden_dropout": self.residual_output.dropout,
            "layer_norm_eps": self.residual_output.layer_norm_eps,
            "norm_first": self.residual_output.norm_first,
            "causal": self.causal,
            "cross_attention": self.cross_attention is not None,
            "initializer_range": self.residual_output.initializer_range,
            "seed": self.seed,
        }
