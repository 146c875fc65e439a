"""The sub-layer of a transformer that attends."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.attention import (
    AttentionRelations,
    KeysValues,
    MultiHeadAttention,
)
from bert_tf.layers.base import ConfiguredLayer, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.residual_output import ResidualOutput
from bert_tf.ops.dropout import split
from bert_tf.ops.key_value_cache import write_positions


@keras.saving.register_keras_serializable("bert_tf")
class AttentionSublayer(ConfiguredLayer):
    """Multi-head attention, its output projection, and the residual around them.

    Args:
        config: the block's shape, a `BlockConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.
    """

    config_class = BlockConfig

    def __init__(
        self, config: BlockConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.attention = MultiHeadAttention(
            self.config, **child_arguments(self, "self")
        )
        self.residual_output = ResidualOutput(
            self.config, **child_arguments(self, "output")
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the variables of attention and projection."""
        self.attention.build(input_shape)
        width = self.config.num_heads * self.config.head_size
        self.residual_output.build((*input_shape[:-1], width), input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Attends and adds.

        Args:
            inputs: `[batch, from_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or from_length, to_length]`, 1 where a
                position may attend to another; with `positions` only these of
                `from_length`.
            memory: `[batch, to_length, hidden]`; None to attend to the inputs.
            positions: int32 `[batch, outputs]`, those wanted; None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            The shape of the inputs, or `[batch, outputs, hidden]`.
        """
        probabilities_seed, output_seed = split(dropout_seed, 2)
        normed = self.residual_output.normalize_inputs(inputs, fused)
        if memory is None:
            memory = normed
        if positions is not None:
            normed = tf.gather(normed, positions, batch_dims=1)
            inputs = tf.gather(inputs, positions, batch_dims=1)
        context = self.attention(
            normed, attention_mask, memory, probabilities_seed, fused=fused
        )
        return self.residual_output(context, inputs, output_seed, fused=fused)

    def attend_to(
        self, inputs: tf.Tensor, attention_mask: tf.Tensor, keys_values: KeysValues
    ) -> tf.Tensor:
        """Attends to the keys and values of a memory, and adds; see `call`."""
        normed = self.residual_output.normalize_inputs(inputs)
        context = self.attention.attend_to(normed, attention_mask, keys_values)
        return self.residual_output(context, inputs)

    def extend(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        keys_values: KeysValues,
        offset: tf.Tensor,
    ) -> tuple[tf.Tensor, KeysValues]:
        """Attends from new positions to themselves and to those before them, and adds.

        Args:
            inputs: `[batch, new_length, hidden]`.
            attention_mask: int32 `[batch, 1, new_length, max_length]`.
            keys_values: those of the positions before, `[batch, heads, max_length,
                head_size]`; what stands from `offset` on is replaced.
            offset: int32 `[batch]`, the first new position of each row.

        Returns:
            The shape of the inputs; and the keys and values with the new ones.
        """
        normed = self.residual_output.normalize_inputs(inputs)
        new = self.attention.keys_values(normed)
        keys_values = KeysValues(
            write_positions(keys_values.keys, new.keys, offset),
            write_positions(keys_values.values, new.values, offset),
        )
        context = self.attention.attend_to(normed, attention_mask, keys_values)
        return self.residual_output(context, inputs), keys_values

    def relations(
        self, inputs: tf.Tensor, attention_mask: tf.Tensor, fused: bool = False
    ) -> AttentionRelations:
        """Returns how the inputs relate to each other; see `MultiHeadAttention`."""
        normed = self.residual_output.normalize_inputs(inputs, fused)
        return self.attention.relations(normed, attention_mask, fused)
