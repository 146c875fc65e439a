"""Transformer blocks, one after the other."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.attention import AttentionRelations
from bert_tf.layers.base import BaseLayer, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.layers.transformer_block import BlockCache, TransformerBlock
from bert_tf.ops.dropout import split
from bert_tf.ops.masks import mask_at

Observer = Callable[[int, tf.Tensor, tf.Tensor], tf.Tensor]
"""Is told the number of a block, its inputs and its outputs, and returns the latter."""


@keras.saving.register_keras_serializable("bert_tf")
class TransformerStack(BaseLayer):
    """The blocks of an encoder or a decoder.

    Attributes:
        observer: sees what each block makes of its inputs, at the positions that it
            computes, and may put something else in its place; None for nobody.

    Args:
        blocks: the shape of each, a `BlockConfig` or its fields as a dictionary. If
            they are pre-LN, the stack ends with a LayerNorm of its own.
        hidden_size: width of the sequences.
        seed: Seed of the initial values.
        rematerialize: whether the fused operations keep only the inputs of each block
            and compute the rest a second time in the backward pass: less memory, more
            time.
        **kwargs: name and dtype.

    Source: rematerialisation: Chen et al. 2016 (arXiv:1604.06174).
    """

    def __init__(
        self,
        blocks: Sequence[BlockConfig | dict[str, Any]],
        hidden_size: int,
        seed: int = 0,
        rematerialize: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.seed = seed
        self.rematerialize = rematerialize
        self.observer: Observer | None = None
        self.layers = [
            TransformerBlock(block, **child_arguments(self, f"layer_{index}"))
            for index, block in enumerate(blocks)
        ]
        last = self.layers[-1].config
        self.layer_norm = None
        if last.norm_first:
            self.layer_norm = LayerNorm(
                last.layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
            )

    @property
    def blocks(self) -> list[BlockConfig]:
        """The shape of each block."""
        return [layer.config for layer in self.layers]

    def build(self, input_shape: Any = None) -> None:
        """Creates the blocks' variables."""
        shape = (None, None, self.hidden_size)
        for layer in self.layers:
            layer.build(shape)
        if self.layer_norm is not None:
            self.layer_norm.build(shape)

    def call(
        self,
        x: tf.Tensor,
        attention_mask: tf.Tensor,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
        output_positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> list[tf.Tensor]:
        """Applies the blocks.

        Args:
            x: `[batch, seq_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or seq_length, seq_length]`, 1 where a
                position may attend to another; see `bert_tf.ops.masks`.
            memory: `[batch, memory_length, hidden]`, for cross-attention.
            memory_mask: int32 `[batch, 1, 1 or seq_length, memory_length]`.
            output_positions: int32 `[batch, outputs]`, those that the last block is to
                compute; None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            `x` and what each block made of it, the stack's outputs last: the shape of
            `x`, but `[batch, outputs, hidden]` of the last with `output_positions`.
        """
        hidden_states = [x]
        seeds = split(dropout_seed, len(self.layers))
        for layer, seed in zip(self.layers, seeds, strict=True):
            positions = output_positions if layer is self.layers[-1] else None
            if positions is not None:
                attention_mask = mask_at(attention_mask, positions)
                if memory_mask is not None:
                    memory_mask = mask_at(memory_mask, positions)
            # Only what is given by position gets a gradient through `recompute_grad`.
            call: Callable[..., tf.Tensor] = functools.partial(
                _apply,
                layer,
                attention_mask=attention_mask,
                memory_mask=memory_mask,
                positions=positions,
                dropout_seed=seed,
                fused=fused,
            )
            if self.rematerialize and fused:
                call = tf.recompute_grad(call)
            before = x
            x = call(x) if memory is None else call(x, memory)
            if self.observer is not None:
                if positions is not None:
                    before = tf.gather(before, positions, batch_dims=1)
                x = self.observer(len(hidden_states) - 1, before, x)
            hidden_states.append(x)
        if self.layer_norm is not None:
            hidden_states[-1] = self.layer_norm(x, fused=fused)
        return hidden_states

    def relations(
        self,
        hidden_states: Sequence[tf.Tensor],
        attention_mask: tf.Tensor,
        fused: bool = False,
    ) -> list[AttentionRelations]:
        """Returns each block's self-attention.

        Args:
            hidden_states: what `call` returned.
            attention_mask: what it was given.
            fused: whether to use the fused operations.
        """
        return [
            layer.attention.relations(x, attention_mask, fused)
            for layer, x in zip(self.layers, hidden_states[:-1], strict=True)
        ]

    def new_cache(
        self,
        batch_size: tf.Tensor | int,
        max_length: int,
        memory: tf.Tensor | None = None,
    ) -> list[BlockCache]:
        """Returns what `decode` starts from; see `TransformerBlock.new_cache`."""
        return [
            layer.new_cache(batch_size, max_length, memory) for layer in self.layers
        ]

    def decode(
        self,
        x: tf.Tensor,
        attention_mask: tf.Tensor,
        cache: Sequence[BlockCache],
        offset: tf.Tensor,
        memory_mask: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, list[BlockCache]]:
        """Applies the blocks to the next positions; see `TransformerBlock.decode`."""
        new_cache = []
        for layer, layer_cache in zip(self.layers, cache, strict=True):
            x, layer_cache = layer.decode(
                x, attention_mask, memory_mask, layer_cache, offset
            )
            new_cache.append(layer_cache)
        return x if self.layer_norm is None else self.layer_norm(x), new_cache


def _apply(
    layer: TransformerBlock,
    x: tf.Tensor,
    memory: tf.Tensor | None = None,
    **arguments: Any,
) -> tf.Tensor:
    return layer(x, memory=memory, **arguments)
