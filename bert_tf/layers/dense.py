"""Dense layers, the parts of every sub-layer."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.ops.matmul import matmul


def truncated_normal(stddev: float, seed: int) -> keras.initializers.Initializer:
    """Returns BERT's initialiser, the same values for the same seed."""
    return keras.initializers.TruncatedNormal(stddev=stddev, seed=seed)


@keras.saving.register_keras_serializable("bert_tf")
class Dense(keras.layers.Layer):
    """`inputs @ kernel + bias`.

    The bias is kept out of the product by `project`, for callers that fuse it into
    what follows.

    Args:
        units: width of the outputs.
        initializer_range: standard deviation of the kernel's initial values.
        seed: of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self, units: int, initializer_range: float = 0.02, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.units = units
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `kernel` `[inputs, units]` and `bias` `[units]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=truncated_normal(self.initializer_range, self.seed),
        )
        # Added in float32, whatever the products are computed in.
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros", autocast=False
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`."""
        return self.add_bias(self.project(inputs))

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`, without the bias."""
        return matmul(inputs, self.kernel)

    def add_bias(self, product: tf.Tensor) -> tf.Tensor:
        """Adds the bias to what `project` returned."""
        return tf.cast(tf.cast(product, tf.float32) + self.bias, product.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }
