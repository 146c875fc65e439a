"""A vector for each text."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.models.base import Tensors
from bert_tf.models.with_head import BertWithHead, at_cls_alone

POOLINGS = ("cls", "pooler", "mean", "max")


@keras.saving.register_keras_serializable("bert_tf")
class SentenceEncoder(BertWithHead):
    """Maps texts to vectors whose angles compare them.

    Inputs: see `BertEncoder`.

    Outputs: `sentence_embedding`, float32 `[batch, hidden]`, of a packed batch
    `[batch, examples, hidden]`.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        pooling: `cls`, the last hidden state at [CLS]; `pooler`, what the pooler makes
            of it; `mean` or `max` of the last hidden states, padding excluded.
        normalize: whether vectors get length 1.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Reimers and Gurevych 2019 (arXiv:1908.10084), section 3.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        pooling: str = "mean",
        normalize: bool = False,
        seed: int = 0,
        rematerialize: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. Received: {pooling!r}"
            )
        super().__init__(
            config, seed, rematerialize, name, pooler=pooling == "pooler", **kwargs
        )
        self.pooling = pooling
        self.normalize = normalize
        self.build()

    def build_head(self) -> None:
        """Creates nothing: the head has no variables."""

    def encoder_inputs(self, inputs: Tensors) -> Tensors:
        """Asks for the outputs that are pooled alone."""
        if self.pooling == "pooler":
            return at_cls_alone(inputs)
        if self.pooling == "cls":
            first = tf.zeros_like(inputs["input_ids"][:, :1])
            positions = inputs.get("cls_positions", first)
            return {**inputs, "output_positions": positions}
        return inputs

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Pools."""
        if self.pooling == "pooler":
            pooled = encoded["pooled_output"]
        elif self.pooling == "cls":
            pooled = encoded["sequence_output"]
            if "cls_positions" not in inputs:
                pooled = pooled[:, 0]
        else:
            pooled = self._pool_tokens(encoded["sequence_output"], inputs)
        pooled = tf.cast(pooled, tf.float32)
        if self.normalize:
            pooled = tf.math.l2_normalize(pooled, axis=-1)
        return {"sentence_embedding": pooled}

    def _pool_tokens(self, hidden: tf.Tensor, inputs: Tensors) -> tf.Tensor:
        """Maps `[batch, seq_length, hidden]` to the mean or maximum of each text."""
        hidden = tf.cast(hidden, tf.float32)
        # 1 where a token belongs to an example, [batch, examples, seq_length].
        member = tf.cast(inputs["input_mask"], tf.float32)[:, tf.newaxis]
        if "cls_positions" in inputs:
            count = tf.shape(inputs["cls_positions"])[1]
            numbers = tf.cast(inputs["example_ids"], tf.int32)[:, tf.newaxis]
            is_own = numbers == tf.range(1, count + 1)[:, tf.newaxis]
            member *= tf.cast(is_own, tf.float32)
        size = tf.reduce_sum(member, axis=-1, keepdims=True)
        if self.pooling == "mean":
            pooled = tf.matmul(member, hidden) / tf.maximum(size, 1.0)
        else:
            outside = (1.0 - member[..., tf.newaxis]) * hidden.dtype.min
            pooled = tf.reduce_max(hidden[:, tf.newaxis] + outside, axis=2)
            pooled = tf.where(size > 0, pooled, 0.0)
        return pooled if "cls_positions" in inputs else pooled[:, 0]
