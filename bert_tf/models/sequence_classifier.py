"""A score for each label of a text, or of a pair of texts."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import child_arguments, derive_seed
from bert_tf.layers.dense import truncated_normal
from bert_tf.models.base import BertModel, Tensors
from bert_tf.models.encoder import BertEncoder
from bert_tf.ops.dropout import fused_dropout, split


@keras.saving.register_keras_serializable("bert_tf")
class SequenceClassifier(BertModel):
    """BERT with a layer over the pooled output.

    Its variables exist once it is constructed, and below its own name their paths are
    google-research/bert's names.

    Args:
        config: the encoder's shape, a `BertConfig` or its fields as a dictionary.
        num_labels: scores; 1 for a number.
        classifier_dropout: share of the pooled output dropped in training; None for the
            configuration's `hidden_dropout_prob`.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: google-research/bert, `run_classifier.create_model`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        num_labels: int = 2,
        classifier_dropout: float | None = None,
        seed: int = 0,
        rematerialize: bool = False,
        name: str = "sequence_classifier",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.num_labels = num_labels
        self.classifier_dropout = classifier_dropout
        self.rematerialize = rematerialize
        self.bert = BertEncoder(
            self.config, rematerialize=rematerialize, **child_arguments(self, "bert")
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates `output_weights` `[labels, hidden]` and `output_bias` `[labels]`."""
        self.bert.build()
        config = self.config
        self.output_weights = self.add_weight(
            name="output_weights",
            shape=(self.num_labels, config.hidden_size),
            initializer=truncated_normal(
                config.initializer_range, derive_seed(self.seed, "output_weights")
            ),
            autocast=False,
        )
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=(self.num_labels,),
            initializer="zeros",
            autocast=False,
        )

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
    ) -> dict[str, tf.Tensor]:
        """Scores labels.

        Args:
            inputs: those of `BertEncoder`.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.

        Returns:
            `logits`, float32 `[batch, labels]`, of a packed batch
            `[batch, examples, labels]`.
        """
        modes = self.modes(training, dropout_seed, fused)
        head_seed = modes["dropout_seed"]
        if head_seed is not None:
            modes["dropout_seed"], head_seed = split(head_seed, 2)
        # Of the last block only what [CLS] needs is computed.
        nothing = tf.zeros([tf.shape(inputs["input_ids"])[0], 0], tf.int32)
        pooled = self.bert({**inputs, "output_positions": nothing}, **modes)
        rate = self.classifier_dropout
        rate = self.config.hidden_dropout_prob if rate is None else rate
        pooled = fused_dropout(pooled["pooled_output"], head_seed, rate)
        logits = tf.matmul(
            tf.cast(pooled, tf.float32), self.output_weights, transpose_b=True
        )
        return {"logits": logits + self.output_bias}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "classifier_dropout": self.classifier_dropout,
            "rematerialize": self.rematerialize,
        }
