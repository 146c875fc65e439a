"""One answer for a text or a pair of texts."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.base import Tensors
from bert_tf.models.with_head import Classifier, at_cls_alone


@keras.saving.register_keras_serializable("bert_tf")
class SequenceClassifier(Classifier):
    """Scores labels of whole texts, or predicts a number with one label.

    Inputs and arguments: see `BertEncoder` and `Classifier`.

    Outputs: `logits`, float32 `[batch, labels]`, of a packed batch
    `[batch, examples, labels]`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.1; google-research/bert,
    `run_classifier.create_model`.
    """

    needs_pooler = True

    def encoder_inputs(self, inputs: Tensors) -> Tensors:
        """Asks for the outputs at [CLS] alone."""
        return at_cls_alone(inputs)

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Scores what the pooler made of [CLS]."""
        return {"logits": self.score(encoded["pooled_output"], dropout_seed)}
