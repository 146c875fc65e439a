"""The encoder: embeddings, a stack of transformer blocks, the pooler."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.parts import ConfiguredLayer, part_of
from bert_tf.layers.sublayers import ActivatedDense
from bert_tf.layers.transformer_block import TransformerBlock
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
        position_ids: tf.Tensor | None = None,
        example_ids: tf.Tensor | None = None,
        cls_positions: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes token sequences: one a row, or several (`bert_tf.data.packing`).

        Args:
            input_ids: int32 `[batch, seq_length]`.
            input_mask: int32 `[batch, seq_length]`, 1 for tokens and 0 for padding.
            segment_ids: int32 `[batch, seq_length]`.
            output_positions: int32 `[batch, outputs]`, the positions whose outputs are
                wanted; None for all. The last block computes only those.
            position_ids: int32 `[batch, seq_length]`, places within a sequence; None
                to count from the row's start.
            example_ids: int32 `[batch, seq_length]`, the same number at all tokens of a
                sequence, which attend to each other only; None for one sequence a row.
            cls_positions: int32 `[batch, examples]`, where sequences start; None for
                one sequence a row. Needs `output_positions`.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            `sequence_output` `[batch, seq_length, hidden]`, or
            `[batch, outputs, hidden]`, and `pooled_output` `[batch, hidden]`, or
            `[batch, examples, hidden]` with `cls_positions`; compute dtype.
        """
        seeds = [None, None] if dropout_seed is None else split(dropout_seed, 2)
        hidden = self.embeddings(
            input_ids,
            segment_ids,
            position_ids=position_ids,
            dropout_seed=seeds[0],
            training=training,
        )
        if example_ids is None:
            mask = tf.cast(input_mask, tf.int32)[:, tf.newaxis, tf.newaxis, :]
        else:
            # Padding, all of one number too, attends to itself, and nothing to it.
            same = example_ids[:, :, tf.newaxis] == example_ids[:, tf.newaxis, :]
            mask = tf.cast(same, tf.int32)[:, tf.newaxis]
        num_cls = 1
        if cls_positions is not None:
            num_cls = cls_positions.shape[1]
            output_positions = tf.concat([cls_positions, output_positions], axis=1)
        elif output_positions is not None:
            output_positions = tf.pad(output_positions, [[0, 0], [1, 0]])  # [CLS]
        hidden = self.encoder(
            hidden,
            mask,
            output_positions=output_positions,
            dropout_seed=seeds[1],
            training=training,
        )
        cls_output = hidden[:, 0] if cls_positions is None else hidden[:, :num_cls]
        pooled = self.pooler(cls_output, training=training)
        return hidden if output_positions is None else hidden[:, num_cls:], pooled

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rematerialize": self.rematerialize}
