"""Which sentences of a document make its summary."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import build_unnamed, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.logits import Logits
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.models.base import Tensors
from bert_tf.models.with_head import BertWithHead
from bert_tf.ops.masks import causal_mask, same_example_mask


@keras.saving.register_keras_serializable("bert_tf")
class SentenceScorer(BertWithHead):
    """Scores the sentences of documents, each of which begins with a [CLS].

    Inputs: those of `BertEncoder`, and `cls_positions`, integers `[batch, sentences]`:
    where the sentences of a row begin, in order, 0 after the last one. A packed row
    holds several documents, told apart by `example_ids`.

    Outputs: `logits`, float32 `[batch, sentences]`.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        num_inter_sentence_layers: pre-LN transformer blocks in which the sentences of
            a document look at each other before they are scored.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Liu 2019 (arXiv:1903.10318), section 2.2.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        num_inter_sentence_layers: int = 0,
        seed: int = 0,
        rematerialize: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(config, seed, rematerialize, name, **kwargs)
        self.num_inter_sentence_layers = num_inter_sentence_layers
        self.inter_sentence = None
        if num_inter_sentence_layers:
            block = BlockConfig.from_bert_config(self.config, norm_first=True)
            self.inter_sentence = TransformerStack(
                [block] * num_inter_sentence_layers,
                self.config.hidden_size,
                **child_arguments(self, "inter_sentence"),
            )
        self.classifier = Logits(
            1, self.config.initializer_range, **child_arguments(self, "classifier")
        )
        self.build()

    def build_head(self) -> None:
        """Creates the blocks' variables, `output_weights` and `output_bias`."""
        if self.inter_sentence is not None:
            self.inter_sentence.build()
        build_unnamed(self.classifier, (None, self.config.hidden_size))

    def encoder_inputs(self, inputs: Tensors) -> Tensors:
        """Asks for the outputs at the sentences' beginnings alone."""
        inputs = dict(inputs)
        return {**inputs, "output_positions": inputs.pop("cls_positions")}

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Scores each sentence, seen beside the others of its document."""
        x = encoded["sequence_output"]
        if self.inter_sentence is not None:
            mask = _same_document(inputs)
            x += tf.cast(_sinusoids(_numbers(mask), x.shape[-1]), x.dtype)
            x = self.inter_sentence(x, mask, dropout_seed=dropout_seed, fused=fused)[-1]
        return {"logits": self.classifier(x)[..., 0]}


def _same_document(inputs: Tensors) -> tf.Tensor:
    """Returns which sentences see each other, `[batch, 1, sentences, sentences]`."""
    positions = tf.cast(inputs["cls_positions"], tf.int32)
    documents = tf.ones_like(positions)
    if "example_ids" in inputs:
        ids = tf.cast(inputs["example_ids"], tf.int32)
        documents = tf.gather(ids, positions, batch_dims=1)
    # Only a row's first sentence begins at 0; elsewhere 0 is padding.
    real = (positions > 0) | (tf.range(tf.shape(positions)[1]) == 0)
    return same_example_mask(tf.where(real, documents, 0))


def _numbers(mask: tf.Tensor) -> tf.Tensor:
    """Counts the sentences of each document from 0, int32 `[batch, sentences]`."""
    length = tf.shape(mask)[-1]
    return tf.reduce_sum(mask * causal_mask(length, length), axis=-1)[:, 0] - 1


def _sinusoids(positions: tf.Tensor, width: int) -> tf.Tensor:
    """Returns `[..., width]`; Vaswani et al. 2017 (arXiv:1706.03762), section 3.5."""
    powers = np.arange(0, width, 2) / width
    angles = tf.cast(positions, tf.float32)[..., tf.newaxis] * 10_000.0**-powers
    waves = tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1)
    return tf.reshape(waves, [*tf.unstack(tf.shape(positions)), -1])[..., :width]
