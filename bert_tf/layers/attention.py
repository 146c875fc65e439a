"""Multi-head attention, of a sequence to itself or to another one."""

from typing import NamedTuple

import keras
import tensorflow as tf

from bert_tf.layers.base import ConfiguredLayer, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.dense import Dense
from bert_tf.ops.attention import attend, attention, attention_probabilities
from bert_tf.ops.heads import split_heads


class KeysValues(NamedTuple):
    """What queries attend to, by head: `[B, N, T, D]` each, compute dtype."""

    keys: tf.Tensor
    values: tf.Tensor


class AttentionRelations(NamedTuple):
    """How the positions of a sequence relate, as distillation compares them.

    Attributes:
        query: `[B, N, S, D]`, as `key` and `value`.
        key: see above.
        value: see above.
        probabilities: `[B, N, S, S]`, without dropout.
    """

    query: tf.Tensor
    key: tf.Tensor
    value: tf.Tensor
    probabilities: tf.Tensor


@keras.saving.register_keras_serializable("bert_tf")
class MultiHeadAttention(ConfiguredLayer):
    """Scaled dot-product attention with several heads, before the output projection.

    Shapes: B batch, F length of the attending sequence ("from"), T length of the
    attended one ("to"), S of either, N heads, D width of a head, H width of the
    sequences.

    Args:
        config: the block's shape, a `BlockConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2; google-research/bert,
    `modeling.attention_layer`.
    """

    config_class = BlockConfig

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the projections of queries, keys and values, `[H, N * D]` each."""
        for name in ("query", "key", "value"):
            dense = Dense(
                self.config.num_heads * self.config.head_size,
                self.config.initializer_range,
                **child_arguments(self, name),
            )
            dense.build(input_shape)
            setattr(self, name, dense)

    def call(
        self,
        x_BFH: tf.Tensor,
        mask_BNFT: tf.Tensor,
        memory_BTH: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Attends.

        Args:
            x_BFH: the attending sequence.
            mask_BNFT: int32, 1 where a query may attend to a key; any axis but the
                last may be 1. See `bert_tf.ops.masks`.
            memory_BTH: the attended sequence; None for `x` itself.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            The values' means by attention probability, `[B, F, N * D]`.
        """
        memory_BTH = x_BFH if memory_BTH is None else memory_BTH
        if not fused:
            return attend(
                self._project(self.query, x_BFH),
                *self.keys_values(memory_BTH),
                mask_BNFT,
                seed=dropout_seed,
                rate=self.config.attention_dropout,
            )
        return attention(
            self.query.project(x_BFH),
            self.key.project(memory_BTH),
            self.value.project(memory_BTH),
            (self.query.bias, self.key.bias, self.value.bias),
            mask_BNFT,
            num_heads=self.config.num_heads,
            seed=dropout_seed,
            rate=self.config.attention_dropout,
            fused=fused,
        )

    def attend_to(
        self, x_BFH: tf.Tensor, mask_BNFT: tf.Tensor, keys_values: KeysValues
    ) -> tf.Tensor:
        """Attends to keys and values made before; see `call`, without dropout."""
        return attend(self._project(self.query, x_BFH), *keys_values, mask_BNFT)

    def keys_values(self, memory_BTH: tf.Tensor) -> KeysValues:
        """Makes a sequence's keys and values, for `attend_to`."""
        keys, values = (self._project(d, memory_BTH) for d in (self.key, self.value))
        return KeysValues(keys, values)

    def relations(
        self, x_BSH: tf.Tensor, mask_BNST: tf.Tensor, fused: bool = False
    ) -> AttentionRelations:
        """Returns what `call` computes of a sequence's attention to itself on its way.

        It computes that again: the fused operations keep nothing of it.
        """
        query, key, value = (
            self._project(dense, x_BSH, fused)
            for dense in (self.query, self.key, self.value)
        )
        probabilities = attention_probabilities(query, key, mask_BNST, fused=fused)
        return AttentionRelations(query, key, value, probabilities)

    def _project(
        self, dense: Dense, x_BSH: tf.Tensor, fused: bool = False
    ) -> tf.Tensor:
        heads = self.config.num_heads
        if not fused:
            return split_heads(dense(x_BSH), None, num_heads=heads, fused=False)
        product = dense.project(x_BSH)
        return split_heads(product, dense.bias, num_heads=heads, fused=True)
