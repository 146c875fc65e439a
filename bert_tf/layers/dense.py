"""Dense layers, which every sub-layer is made of."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.base import BaseLayer
from bert_tf.ops.matmul import Activation, matmul

WeightTransform = Callable[[tf.Tensor], tf.Tensor]
"""Maps a float32 weight to the tensor that is used in its place."""

InputTransform = Callable[[tf.Tensor], tf.Tensor]
"""Maps a layer's inputs to the tensor of the same shape and dtype in their place."""

Product = Callable[[tf.Tensor], tf.Tensor]
"""Maps a layer's inputs to its product with them, the bias added."""


def truncated_normal(stddev: float, seed: int) -> keras.initializers.Initializer:
    """Returns BERT's initializer, the same values for the same seed."""
    return keras.initializers.TruncatedNormal(stddev=stddev, seed=seed)


def effective_weight(
    weight: keras.Variable, transform: WeightTransform | None, dtype: str
) -> tf.Tensor:
    """Returns the tensor that a weight stands for, in the compute dtype."""
    value = tf.convert_to_tensor(weight)
    return tf.cast(value if transform is None else transform(value), dtype)


@keras.saving.register_keras_serializable("bert_tf")
class Dense(BaseLayer):
    """`inputs @ kernel + bias`.

    The bias is kept out of the product by `project`, for callers that fuse it into
    what follows.

    Attributes:
        kernel_transform: what turns the kernel into the tensor that is multiplied, for
            instance fake quantization, a mask of pruned weights, or the addition of a
            low-rank update; None for the kernel itself. Variables that it uses belong
            to whoever sets it.
        input_transform: what turns the inputs into the tensor that is multiplied, for
            instance a mask; None for the inputs themselves.
        product: what computes `inputs @ kernel + bias` in the layer's place, for
            instance as int8 would; None for the layer itself.

    Args:
        units: width of the outputs.
        initializer_range: standard deviation of the kernel's initial values.
        seed: Seed of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self, units: int, initializer_range: float = 0.02, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.units = units
        self.initializer_range = initializer_range
        self.seed = seed
        self.kernel_transform: WeightTransform | None = None
        self.input_transform: InputTransform | None = None
        self.product: Product | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `kernel` `[inputs, units]` and `bias` `[units]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=truncated_normal(self.initializer_range, self.seed),
            autocast=False,
        )
        # Added in float32, whatever the products are computed in.
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros", autocast=False
        )

    def call(
        self, inputs: tf.Tensor, activation: Activation | None = None
    ) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`, with an activation on request."""
        inputs = self._effective_inputs(inputs)
        if self.product is not None:
            outputs = self.product(inputs)
            return outputs if activation is None else activation(outputs)
        return matmul(inputs, self.effective_kernel(), self.bias, activation)

    def effective_kernel(self) -> tf.Tensor:
        """Returns the tensor that inputs are multiplied by, in the compute dtype.

        Every product with the kernel takes it from here.
        """
        return effective_weight(self.kernel, self.kernel_transform, self.compute_dtype)

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`, without the bias."""
        inputs = self._effective_inputs(inputs)
        if self.product is not None:
            # Whoever calls this adds the bias.
            return self.product(inputs) - self.bias
        return matmul(inputs, self.effective_kernel())

    def add_bias(self, product: tf.Tensor) -> tf.Tensor:
        """Adds the bias to what `project` returned."""
        return tf.cast(tf.cast(product, tf.float32) + self.bias, product.dtype)

    def _effective_inputs(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs if self.input_transform is None else self.input_transform(inputs)
