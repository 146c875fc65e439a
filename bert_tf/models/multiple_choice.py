"""Which of several texts fits."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.base import Tensors
from bert_tf.models.with_head import Classifier, at_cls_alone


@keras.saving.register_keras_serializable("bert_tf")
class MultipleChoice(Classifier):
    """Scores the choices of each question, every one a text or a pair of texts.

    Inputs and arguments: see `BertEncoder` and `Classifier`, but the inputs are
    `[batch, choices, seq_length]`. In a packed batch, `[batch, seq_length]`, each
    choice is an example of its own.

    Outputs: `logits`, float32 `[batch, choices]`, of a packed batch
    `[batch, examples]`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.4.
    """

    needs_pooler = True

    def encoder_inputs(self, inputs: Tensors) -> Tensors:
        """Puts the choices one below the other; asks for the outputs at [CLS] alone."""
        if "cls_positions" not in inputs:
            inputs = {
                name: tf.reshape(inputs[name], [-1, tf.shape(inputs[name])[-1]])
                for name in ("input_ids", "input_mask", "segment_ids")
            }
        return at_cls_alone(inputs)

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Scores what the pooler made of each choice's [CLS]."""
        scores = self.score(encoded["pooled_output"], dropout_seed)
        grid = inputs.get("cls_positions", inputs["input_ids"])
        return {"logits": tf.reshape(scores, tf.shape(grid)[:2])}
