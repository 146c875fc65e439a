"""The model that pretraining trains: an encoder with both heads."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.parts import ConfiguredLayer, part_of
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.heads import PretrainingHeads


@keras.saving.register_keras_serializable("bert_tf")
class BertPretrainer(ConfiguredLayer, keras.Model):
    """BERT with the masked-LM and the next-sentence head.

    Its variables exist once it is constructed, and below its own name their paths are
    google-research/bert's names.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values: the same seed gives the same ones.
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
            self.config, rematerialize=rematerialize, **part_of(self, "bert")
        )
        self.cls = PretrainingHeads(self.config, **part_of(self, "cls"))
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        self.bert.build()
        self.cls.build()

    def call(
        self,
        inputs: dict[str, tf.Tensor],
        masked_lm_labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        dropout_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> dict[str, Any]:
        """Scores masked tokens and sentence pairs.

        Args:
            inputs: `input_ids`, `input_mask` and `segment_ids`, int32
                `[batch, seq_length]`, and `masked_lm_positions`, int32
                `[batch, max_predictions]`. Of a packed batch also `position_ids`,
                `example_ids` and `cls_positions`; see `bert_tf.data.packing`. Other
                entries are ignored.
            masked_lm_labels: ids, integers, and weights, `[batch, max_predictions]`
                each, to get sums of the masked-LM loss in place of its logits; None
                for logits.
            dropout_seed: int32 `[2]`, another one for each step, replica and
                micro-batch; None for no dropout.
            training: whether to use the fused operations, and dropout.

        Returns:
            `masked_lm_logits`, float32 `[batch, max_predictions, vocab]`, or
            `masked_lm_sums`, of losses and of right answers, float32 scalars; and
            `next_sentence_logits`, float32 `[batch, 2]`, of a packed batch
            `[batch, examples, 2]`.
        """
        masked_output, pooled_output = self.bert(
            inputs["input_ids"],
            inputs["input_mask"],
            inputs["segment_ids"],
            output_positions=inputs["masked_lm_positions"],
            position_ids=inputs.get("position_ids"),
            example_ids=inputs.get("example_ids"),
            cls_positions=inputs.get("cls_positions"),
            dropout_seed=dropout_seed,
            training=training,
        )
        return self.cls(
            masked_output,
            pooled_output,
            self.bert.embeddings.word_embeddings,
            masked_lm_labels,
            training=training,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rematerialize": self.rematerialize}
