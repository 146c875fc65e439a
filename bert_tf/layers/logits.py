"""Scores of labels, the end of every head but the masked-LM one."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import BaseLayer
from bert_tf.layers.dense import Product, truncated_normal


@keras.saving.register_keras_serializable("bert_tf")
class Logits(BaseLayer):
    """Scores labels, in float32: `inputs @ transpose(output_weights) + output_bias`.

    Attributes:
        product: see `Dense`.

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
        self.product: Product | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `output_weights` `[labels, inputs]` and `output_bias` `[labels]`."""
        # `add_weight` would put the layer's name into their paths; see `build_unnamed`.
        self.output_weights = keras.Variable(
            truncated_normal(self.initializer_range, self.seed),
            shape=(self.num_labels, input_shape[-1]),
            dtype=self.variable_dtype,
            autocast=False,
            name="output_weights",
        )
        self.output_bias = keras.Variable(
            "zeros",
            shape=(self.num_labels,),
            dtype=self.variable_dtype,
            autocast=False,
            name="output_bias",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to float32 `[..., labels]`."""
        inputs = tf.cast(inputs, tf.float32)
        if self.product is not None:
            return self.product(inputs)
        logits = tf.matmul(inputs, self.output_weights, transpose_b=True)
        return logits + self.output_bias
