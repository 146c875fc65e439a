"""Multi-head attention, of a sequence to itself or to another one."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.dense import Dense
from bert_tf.layers.parts import part_of
from bert_tf.ops.attention import attention


@keras.saving.register_keras_serializable("bert_tf")
class MultiHeadAttention(keras.layers.Layer):
    """Scaled dot-product attention with several heads, before the output projection.

    Shapes: B batch, F length of the attending sequence ("from"), T length of the
    attended one ("to"), N heads, D width of a head, H = N * D.

    Args:
        num_heads: N.
        dropout: share of the attention probabilities dropped.
        initializer_range: standard deviation of the kernels' initial values.
        seed: of the initial values.
        **kwargs: name and dtype.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2; google-research/bert,
    `modeling.attention_layer`.
    """

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the projections of queries, keys and values, `[H, H]` each."""
        hidden_size = input_shape[-1]
        if hidden_size is None or hidden_size % self.num_heads:
            raise ValueError(
                f"The last axis must be a multiple of `num_heads`={self.num_heads}. "
                f"Received: input_shape={input_shape}"
            )
        for name in ("query", "key", "value"):
            dense = Dense(hidden_size, self.initializer_range, **part_of(self, name))
            dense.build(input_shape)
            setattr(self, name, dense)

    def call(
        self,
        inputs_BFH: tf.Tensor,
        mask_BNFT: tf.Tensor,
        memory_BTH: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Attends.

        Args:
            inputs_BFH: the attending sequence.
            mask_BNFT: int32, 1 where a query may attend to a key; any axis but the
                last may be 1.
            memory_BTH: the attended sequence; None for the inputs themselves.
            dropout_seed: int32 `[2]`; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            The values' means by attention probability, `[B, F, H]`.
        """
        memory_BTH = inputs_BFH if memory_BTH is None else memory_BTH
        return attention(
            self.query.project(inputs_BFH),
            self.key.project(memory_BTH),
            self.value.project(memory_BTH),
            (self.query.bias, self.key.bias, self.value.bias),
            mask_BNFT,
            num_heads=self.num_heads,
            seed=dropout_seed if training else None,
            rate=self.dropout,
            fused=training,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }
