"""The sub-layer of a transformer that attends."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.attention import MultiHeadAttention
from bert_tf.layers.parts import part_of
from bert_tf.layers.sublayers import ResidualOutput
from bert_tf.ops.dropout import split


@keras.saving.register_keras_serializable("bert_tf")
class AttentionSublayer(keras.layers.Layer):
    """Multi-head attention, its output projection, and the residual around them.

    Args:
        num_heads: heads of the attention.
        attention_dropout: share of the attention probabilities dropped.
        hidden_dropout: share of the projection's outputs dropped.
        layer_norm_eps: epsilon of the LayerNorm.
        norm_first: False for post-LN, True for pre-LN.
        initializer_range: standard deviation of the kernels' initial values.
        seed: of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self,
        num_heads: int,
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        layer_norm_eps: float = 1e-12,
        norm_first: bool = False,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.seed = seed
        self.attention = MultiHeadAttention(
            num_heads, attention_dropout, initializer_range, **part_of(self, "self")
        )
        self.residual_output = ResidualOutput(
            hidden_dropout,
            layer_norm_eps,
            norm_first,
            initializer_range,
            **part_of(self, "output"),
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the variables of attention and projection."""
        self.attention.build(input_shape)
        self.residual_output.build(input_shape, input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Attends and adds.

        Args:
            inputs: `[batch, from_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or from_length, to_length]`, 1 where a
                position may attend to another.
            memory: `[batch, to_length, hidden]`; None to attend to the inputs.
            positions: int32 `[batch, outputs]`, those wanted; None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            The shape of the inputs, or `[batch, outputs, hidden]`.
        """
        seeds = [None, None] if dropout_seed is None else split(dropout_seed, 2)
        normed = inputs
        if self.residual_output.norm_first:
            normed = self.residual_output.layer_norm(inputs, training=training)
        if positions is not None:
            memory = normed if memory is None else memory
            normed = tf.gather(normed, positions, batch_dims=1)
            inputs = tf.gather(inputs, positions, batch_dims=1)
            if attention_mask.shape[2] != 1:
                attention_mask = tf.gather(
                    attention_mask[:, 0], positions, batch_dims=1
                )[:, tf.newaxis]
        context = self.attention(
            normed, attention_mask, memory, dropout_seed=seeds[0], training=training
        )
        return self.residual_output(
            context, inputs, dropout_seed=seeds[1], training=training
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.attention.num_heads,
            "attention_dropout": self.attention.dropout,
            "hidden_dropout": self.residual_output.dropout,
            "layer_norm_eps": self.residual_output.layer_norm_eps,
            "norm_first": self.residual_output.norm_first,
            "initializer_range": self.attention.initializer_range,
            "seed": self.seed,
        }
