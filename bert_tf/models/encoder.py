"""The encoder: embeddings, a stack of transformer blocks, the pooler."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.models.embeddings import Embeddings
from bert_tf.models.parts import ConfiguredLayer, part_of
from bert_tf.models.sublayers import ActivatedDense
from bert_tf.models.transformer_block import TransformerBlock
from bert_tf.ops.dropout import split


@keras.saving.register_keras_serializable("bert_tf")
class TransformerStack(ConfiguredLayer):
    """The transformer blocks, one after the other.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values.
        rematerialize: whether training keeps only the inputs of each block and computes
            the rest a second time in the backward pass: less memory, more time.
        **kwargs: name and dtype.

    Source: rematerialisation: Chen et al. 2016 (arXiv:1604.06174).
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        **kwargs: Any,
    ):
        super().__init__(config, seed, **kwargs)
        self.rematerialize = rematerialize
        self.blocks = [
            TransformerBlock(
                num_heads=self.config.num_attention_heads,
                intermediate_size=self.config.intermediate_size,
                activation=self.config.hidden_act,
                attention_dropout=self.config.attention_probs_dropout_prob,
                hidden_dropout=self.config.hidden_dropout_prob,
                layer_norm_eps=self.config.layer_norm_eps,
                initializer_range=self.config.initializer_range,
                **part_of(self, f"layer_{index}"),
            )
            for index in range(self.config.num_hidden_layers)
        ]

    def build(self, input_shape: Any = None) -> None:
        """Creates the blocks' variables."""
        for block in self.blocks:
            block.build((None, None, self.config.hidden_size))

    def call(
        self,
        hidden: tf.Tensor,
        attention_mask: tf.Tensor,
        output_positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Applies the blocks.

        Args:
            hidden: `[batch, seq_length, hidden]`.
            attention_mask: int32 `[batch, 1, 1 or seq_length, seq_length]`, 1 where a
                position may attend to another.
            output_positions: int32 `[batch, outputs]`, those wanted; None for all.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            The shape of `hidden`, or `[batch, outputs, hidden]`.
        """
        count = len(self.blocks)
        seeds = [None] * count if dropout_seed is None else split(dropout_seed, count)
        for block, seed in zip(self.blocks, seeds, strict=True):
            call: Callable[[tf.Tensor], tf.Tensor] = functools.partial(
                block.__call__,
                attention_mask=attention_mask,
                positions=output_positions if block is self.blocks[-1] else None,
                dropout_seed=seed,
                training=training,
            )
            if self.rematerialize and training:
                call = tf.recompute_grad(call)
            hidden = call(hidden)
        return hidden

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rematerialize": self.rematerialize}


@keras.saving.register_keras_serializable("bert_tf")
class BertEncoder(ConfiguredLayer, keras.Model):
    """BERT without its heads. Its variables exist once `build` was called.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values: the same seed gives the same ones.
        rematerialize: whether training computes each block a second time in the
            backward pass, for less memory.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        name: str = "bert",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.rematerialize = rematerialize
        self.embeddings = Embeddings(self.config, **part_of(self, "embeddings"))
        self.encoder = TransformerStack(
            self.config, rematerialize=rematerialize, **part_of(self, "encoder")
        )
        self.pooler = ActivatedDense(
            self.config.hidden_size,
            "tanh",
            self.config.initializer_range,
            **part_of(self, "pooler"),
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        self.embeddings.build()
        self.encoder.build()
        self.pooler.build((None, self.config.hidden_size))

    def call(
        self,
        input_ids: tf.Tensor,
        input_mask: tf.Tensor,
        segment_ids: tf.Tensor,
        output_positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes token sequences.

        Args:
            input_ids: int32 `[batch, seq_length]`.
            input_mask: int32 `[batch, seq_length]`, 1 for tokens and 0 for padding.
            segment_ids: int32 `[batch, seq_length]`.
            output_positions: int32 `[batch, outputs]`, the positions whose outputs are
                wanted; None for all. The last block computes only those.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            `sequence_output` `[batch, seq_length, hidden]`, or
            `[batch, outputs, hidden]`, and `pooled_output` `[batch, hidden]`, compute
            dtype.
        """
        seeds = [None, None] if dropout_seed is None else split(dropout_seed, 2)
        hidden = self.embeddings(
            input_ids, segment_ids, dropout_seed=seeds[0], training=training
        )
        mask = tf.cast(input_mask, tf.int32)[:, tf.newaxis, tf.newaxis, :]
        if output_positions is not None:
            output_positions = tf.pad(output_positions, [[0, 0], [1, 0]])  # [CLS]
        hidden = self.encoder(
            hidden,
            mask,
            output_positions=output_positions,
            dropout_seed=seeds[1],
            training=training,
        )
        pooled = self.pooler(hidden[:, 0], training=training)
        return hidden if output_positions is None else hidden[:, 1:], pooled

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rematerialize": self.rematerialize}
