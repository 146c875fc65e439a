"""One layer of a transformer: attention, then a feed-forward network."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bert_tf.layers.attention import KeysValues
from bert_tf.layers.attention_sublayer import AttentionSublayer
from bert_tf.layers.base import ConfiguredLayer, build_unnamed, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.feed_forward import FeedForwardSublayer
from bert_tf.ops.dropout import split


class BlockCache(NamedTuple):
    """What a block keeps from one step of decoding to the next.

    Attributes:
        past: of the positions so far.
        memory: of the memory; empty without cross-attention.
    """

    past: KeysValues
    memory: KeysValues | tuple[()]


@keras.saving.register_keras_serializable("bert_tf")
class TransformerBlock(ConfiguredLayer):
    """Self-attention, optionally cross-attention, and a feed-forward network.

    Args:
        config: the block's shape, a `BlockConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: Devlin et al. 2019 (arXiv:1810.04805), after Vaswani et al. 2017
    (arXiv:1706.03762), section 3.1.
    """

    config_class = BlockConfig

    def __init__(
        self, config: BlockConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.attention = AttentionSublayer(
            self.config, **child_arguments(self, "attention")
        )
        self.cross_attention = None
        if self.config.cross_attention:
            self.cross_attention = AttentionSublayer(
                self.config, **child_arguments(self, "crossattention")
            )
        self.feed_forward = FeedForwardSublayer(
            self.config, seed, name="feed_forward", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the variables of all sub-layers; memory is as wide as the inputs."""
        # Those of another block, see `share`, have theirs.
        if not self.attention.built:
            self.attention.build(input_shape)
        if self.cross_attention is not None:
            self.cross_attention.build(input_shape)
        if not self.feed_forward.built:
            build_unnamed(self.feed_forward, input_shape)

    def share(self, other: "TransformerBlock") -> None:
        """Takes the sub-layers of another block, which is built; before `build`.

        Cross-attention stays this block's own.
        """
        del self.attention, self.feed_forward  # Keras goes on tracking them otherwise.
        self.attention, self.feed_forward = other.attention, other.feed_forward

    def call(
        self,
        x: tf.Tensor,
        attention_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Applies the block.

        Args:
            x: `[batch, seq_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or seq_length, seq_length]`, 1 where a
                position may attend to another; see `bert_tf.ops.masks`. With
                `positions` only these of the first `seq_length`.
            memory: `[batch, memory_length, hidden]`, for cross-attention.
            memory_mask: int32 `[batch, 1, 1 or seq_length, memory_length]`; likewise.
            positions: int32 `[batch, outputs]`, those wanted: the others are attended
                to but cost no more than that. None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            The shape of `x`, or `[batch, outputs, hidden]`.

        Raises:
            ValueError: `memory` is missing or not wanted.
        """
        if (memory is None) != (self.cross_attention is None):
            raise ValueError(
                "`memory` must be given exactly if `cross_attention` is True. "
                f"Received: memory={memory}, "
                f"cross_attention={self.config.cross_attention}"
            )
        seeds = split(dropout_seed, 3)
        x = self.attention(
            x,
            attention_mask,
            positions=positions,
            dropout_seed=seeds[0],
            fused=fused,
        )
        if self.cross_attention is not None:
            x = self.cross_attention(
                x, memory_mask, memory, dropout_seed=seeds[1], fused=fused
            )
        return self.feed_forward(x, dropout_seed=seeds[2], fused=fused)

    def new_cache(
        self, batch_size: tf.Tensor | int, max_length: int, memory: tf.Tensor | None
    ) -> BlockCache:
        """Returns the cache of rows that have no positions yet.

        Args:
            batch_size: rows.
            max_length: positions that a row can come to have.
            memory: `[batch, memory_length, hidden]`, for cross-attention, whose keys
                and values are made here once; None without.
        """
        heads, size = self.config.num_heads, self.config.head_size
        empty = tf.zeros([batch_size, heads, max_length, size], self.compute_dtype)
        return BlockCache(
            past=KeysValues(empty, empty),
            memory=(
                ()
                if self.cross_attention is None
                else self.cross_attention.attention.keys_values(memory)
            ),
        )

    def decode(
        self,
        x: tf.Tensor,
        attention_mask: tf.Tensor,
        memory_mask: tf.Tensor | None,
        cache: BlockCache,
        offset: tf.Tensor,
    ) -> tuple[tf.Tensor, BlockCache]:
        """Applies the block to the next positions of sequences, by what it remembers.

        Args:
            x: `[batch, new_length, hidden]`.
            attention_mask: int32 `[batch, 1, new_length, max_length]`; see
                `bert_tf.ops.masks.causal_mask`.
            memory_mask: int32 `[batch, 1, 1, memory_length]`; None without memory.
            cache: of `new_cache`, or returned by the last call.
            offset: int32 `[batch]`, the first new position of each row.

        Returns:
            The shape of `x`, and the cache with the new positions.
        """
        x, past = self.attention.extend(x, attention_mask, cache.past, offset)
        if self.cross_attention is not None:
            memory = KeysValues(*cache.memory)
            x = self.cross_attention.attend_to(x, memory_mask, memory)
        return self.feed_forward(x), BlockCache(past, cache.memory)
