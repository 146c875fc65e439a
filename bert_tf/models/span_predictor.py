"""Where in a text something stands: extractive question answering."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.base import Tensors
from bert_tf.models.with_head import Classifier


@keras.saving.register_keras_serializable("bert_tf")
class SpanPredictor(Classifier):
    """Scores every token as the first and as the last one of an answer.

    Inputs and arguments: see `BertEncoder` and `Classifier`. Published models have no
    dropout before the scores.

    Outputs: `start_logits` and `end_logits`, float32 `[batch, seq_length]`. It is the
    caller who leaves out padding and, in a packed batch, a row's other examples.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.2; google-research/bert,
    `run_squad.create_model`.
    """

    usual_num_labels = 2
    usual_dropout = 0.0

    def build_head(self) -> None:
        """Creates `cls/squad/output_weights` and `cls/squad/output_bias`."""
        with keras.name_scope("cls"), keras.name_scope("squad"):
            super().build_head()

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Scores every token twice."""
        logits = self.score(encoded["sequence_output"], dropout_seed)
        return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}
