"""One answer for each token, such as the kind of name that it belongs to."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.base import Tensors
from bert_tf.models.with_head import Classifier


@keras.saving.register_keras_serializable("bert_tf")
class TokenClassifier(Classifier):
    """Scores labels of tokens.

    Inputs and arguments: see `BertEncoder` and `Classifier`.

    Outputs: `logits`, float32 `[batch, seq_length, labels]`, or
    `[batch, outputs, labels]` with `output_positions` among the inputs.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 5.3.
    """

    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Scores every token."""
        return {"logits": self.score(encoded["sequence_output"], dropout_seed)}
