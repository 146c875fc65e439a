"""The parameters of a layer normalization."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import BaseLayer
from bert_tf.ops.layer_norm import layer_norm


@keras.saving.register_keras_serializable("bert_tf")
class LayerNorm(BaseLayer):
    """Layer normalization with float32 parameters and arithmetic.

    Args:
        epsilon: added to the variance.
        **kwargs: name and dtype.
    """

    def __init__(self, epsilon: float = 1e-12, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `gamma` and `beta`, `[units]`."""
        units = input_shape[-1]
        self.gamma = self.add_weight(
            name="gamma", shape=(units,), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(units,), initializer="zeros", autocast=False
        )

    def call(self, inputs: tf.Tensor, fused: bool = False) -> tf.Tensor:
        """Normalizes the last axis of `[..., units]`."""
        return layer_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, fused=fused
        )
