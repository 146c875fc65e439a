"""Token, segment and position embeddings, summed and normalized."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import ConfiguredLayer, derive_seed
from bert_tf.layers.dense import (
    WeightTransform,
    effective_weight,
    truncated_normal,
)
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.ops.dropout import fused_dropout
from bert_tf.ops.matmul import matmul


@keras.saving.register_keras_serializable("bert_tf")
class Embeddings(ConfiguredLayer):
    """Looks up and adds a token's three embeddings, then LayerNorm and dropout.

    Attributes:
        word_embeddings_transform: what turns the table of words into the tensor that
            is looked up in and that heads multiply by; see `Dense.kernel_transform`.
        row_transform: what turns rows of words or segments into those that are added,
            given the name of their table; None for the rows themselves.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        normalize: whether there is a LayerNorm.
        **kwargs: name and dtype.

    Source: google-research/bert, `modeling.embedding_postprocessor`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        normalize: bool = True,
        **kwargs: Any,
    ):
        super().__init__(config, seed, **kwargs)
        self.normalize = normalize
        self.word_embeddings_transform: WeightTransform | None = None
        self.row_transform: Callable[[str, tf.Tensor], tf.Tensor] | None = None
        self.word_embeddings: keras.Variable | None = None
        self.layer_norm = None
        if normalize:
            self.layer_norm = LayerNorm(
                self.config.layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
            )

    def share_word_embeddings(self, other: "Embeddings") -> None:
        """Takes the table of words of another layer, which is built; before `build`."""
        self.word_embeddings = other.word_embeddings

    def build(self, input_shape: Any = None) -> None:
        """Creates the three tables, `[entries, hidden]`."""
        config = self.config
        for name, entries in (
            ("word_embeddings", config.vocab_size),
            ("token_type_embeddings", config.type_vocab_size),
            ("position_embeddings", config.max_position_embeddings),
        ):
            if name == "word_embeddings" and self.word_embeddings is not None:
                continue
            table = self.add_weight(
                name=name,
                shape=(entries, config.hidden_size),
                initializer=truncated_normal(
                    config.initializer_range, derive_seed(self.seed, name)
                ),
                autocast=False,
            )
            setattr(self, name, table)
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, config.hidden_size))

    def call(
        self,
        input_ids: tf.Tensor,
        segment_ids: tf.Tensor | None,
        position_ids: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Embeds tokens.

        Args:
            input_ids: int32 `[batch, seq_length]`.
            segment_ids: int32 `[batch, seq_length]`; None for 0 everywhere.
            position_ids: int32 `[batch, seq_length]`; None to count from 0.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            `[batch, seq_length, hidden]`, compute dtype.
        """
        words = tf.gather(self.effective_word_embeddings(), input_ids)
        types = tf.cast(self.token_type_embeddings, self.compute_dtype)
        if self.row_transform is not None:
            words = self.row_transform("word_embeddings", words)
            types = self.row_transform("token_type_embeddings", types)
        if segment_ids is None:
            types = types[0]
        elif fused:
            # Two or so segments: a product with their one-hot codes is faster than a
            # look-up, whose gradient is a scatter into two rows.
            num_types = self.config.type_vocab_size
            codes = tf.one_hot(segment_ids, num_types, dtype=self.compute_dtype)
            types = matmul(codes, types)
        else:
            types = tf.gather(types, segment_ids)
        table = tf.cast(self.position_embeddings, self.compute_dtype)
        if position_ids is None:
            positions = table[: tf.shape(input_ids)[1]]
        else:
            positions = tf.gather(table, position_ids)
        embeddings = words + types + positions
        if self.layer_norm is not None:
            embeddings = self.layer_norm(embeddings, fused=fused)
        return fused_dropout(embeddings, dropout_seed, self.config.hidden_dropout_prob)

    def effective_word_embeddings(self) -> tf.Tensor:
        """Returns the table of words as it is used, `[vocab, hidden]`, compute dtype.

        Every use of the table takes it from here, output weights too.
        """
        return effective_weight(
            self.word_embeddings, self.word_embeddings_transform, self.compute_dtype
        )
