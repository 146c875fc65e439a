"""The model that pretraining trains: an encoder with both heads."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import child_arguments
from bert_tf.models.base import BertModel, Tensors
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.heads import PretrainingHeads


@keras.saving.register_keras_serializable("bert_tf")
class BertPretrainer(BertModel):
    """BERT with the masked-LM and the next-sentence head.

    Its variables exist once it is constructed, and below its own name their paths are
    google-research/bert's names.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: whether training computes each block a second time in the
            backward pass, for less memory.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        name: str = "bert_pretrainer",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.rematerialize = rematerialize
        self.bert = BertEncoder(
            self.config, rematerialize=rematerialize, **child_arguments(self, "bert")
        )
        self.cls = PretrainingHeads(self.config, **child_arguments(self, "cls"))
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        self.bert.build()
        self.cls.build()

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
        masked_lm_labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> dict[str, Any]:
        """Scores masked tokens and sentence pairs.

        Args:
            inputs: those of `BertEncoder`, and `masked_lm_positions`, integers
                `[batch, max_predictions]`.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.
            masked_lm_labels: ids, integers, and weights, `[batch, max_predictions]`
                each, to get sums of the masked-LM loss in place of its logits; None
                for logits.
            output_hidden_states: see `BertEncoder`.
            output_attentions: see `BertEncoder`.

        Returns:
            `masked_lm_logits`, float32 `[batch, max_predictions, vocab]`, or
            `masked_lm_sums`, of losses and of right answers, float32 scalars; and
            `next_sentence_logits`, float32 `[batch, 2]`, of a packed batch
            `[batch, examples, 2]`; `hidden_states` and `attentions` on request.
        """
        modes = self.modes(training, dropout_seed, fused)
        encoded = self.bert(
            {**inputs, "output_positions": inputs["masked_lm_positions"]},
            **modes,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        outputs = self.cls(
            encoded["sequence_output"],
            encoded["pooled_output"],
            self.bert.embeddings.effective_word_embeddings(),
            masked_lm_labels,
            fused=modes["fused"],
        )
        requested = ("hidden_states", "attentions")
        return outputs | {name: encoded[name] for name in requested if name in encoded}
