"""Token, segment and position embeddings, summed and normalised."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.dense import truncated_normal
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.layers.parts import ConfiguredLayer, derive_seed
from bert_tf.ops.dropout import fused_dropout


@keras.saving.register_keras_serializable("bert_tf")
class Embeddings(ConfiguredLayer):
    """Looks up and adds a token's three embeddings, then LayerNorm and dropout.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values.
        **kwargs: name and dtype.

    Source: google-research/bert, `modeling.embedding_postprocessor`.
    """

    def __init__(
        self, config: BertConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.layer_norm = LayerNorm(
            self.config.layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the three tables, `[entries, hidden]`."""
        config = self.config
        for name, entries in (
            ("word_embeddings", config.vocab_size),
            ("token_type_embeddings", config.type_vocab_size),
            ("position_embeddings", config.max_position_embeddings),
        ):
            table = self.add_weight(
                name=name,
                shape=(entries, config.hidden_size),
                initializer=truncated_normal(
                    config.initializer_range, derive_seed(self.seed, name)
                ),
            )
            setattr(self, name, table)
        self.layer_norm.build((None, None, config.hidden_size))

    def call(
        self,
        input_ids: tf.Tensor,
        segment_ids: tf.Tensor,
        position_ids: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Embeds tokens.

        Args:
            input_ids: int32 `[batch, seq_length]`.
            segment_ids: int32 `[batch, seq_length]`.
            position_ids: int32 `[batch, seq_length]`; None to count from 0.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            `[batch, seq_length, hidden]`, compute dtype.
        """
        words = tf.gather(self.word_embeddings, input_ids)
        # Two or so segments: a product with their one-hot codes is faster than a
        # look-up, whose gradient is a scatter into two rows.
        types = tf.one_hot(
            segment_ids, self.config.type_vocab_size, dtype=self.compute_dtype
        )
        types = tf.matmul(
            tf.reshape(types, [-1, self.config.type_vocab_size]),
            self.token_type_embeddings,
        )
        if position_ids is None:
            positions = self.position_embeddings[: tf.shape(input_ids)[1]]
        else:
            positions = tf.gather(self.position_embeddings, position_ids)
        embeddings = words + tf.reshape(types, tf.shape(words)) + positions
        embeddings = self.layer_norm(embeddings, training=training)
        seed = dropout_seed if training else None
        return fused_dropout(embeddings, seed, self.config.hidden_dropout_prob)
