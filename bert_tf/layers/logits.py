"""Scores of labels, the end of every head but the masked-LM one."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import BaseLayer
from bert_tf.layers.dense import truncated_normal


@keras.saving.register_keras_serializable("bert_tf")
class Logits(BaseLayer):
    """Scores labels, in float32: `inputs @ transpose(output_weights) + output_bias`.

    Args:
        num_labels: how many.
        initializer_range: standard deviation of the weights' initial values.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: google-research/bert, `run_classifier.create_model`, whose names and shapes
    its variables have.
    """

    def __init__(
        self,
        num_labels: int,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_labels = num_labels
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `output_weights` `[labels, inputs]` and `output_bias` `[labels]`."""
        self.output_weights = self.add_weight(
            name="output_weights",
            shape=(self.num_labels, input_shape[-1]),
            initializer=truncated_normal(self.initializer_range, self.seed),
            autocast=False,
        )
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=(self.num_labels,),
            initializer="zeros",
            autocast=False,
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to float32 `[..., labels]`."""
        inputs = tf.cast(inputs, tf.float32)
        logits = tf.matmul(inputs, self.output_weights, transpose_b=True)
        return logits + self.output_bias
