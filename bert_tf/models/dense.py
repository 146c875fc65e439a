"""Products with a kernel, the layers under every sub-layer."""

from typing import Any

import keras
import tensorflow as tf


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
        outputs = self.project(inputs)
        return tf.cast(tf.cast(outputs, tf.float32) + self.bias, outputs.dtype)

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`, without the bias."""
        return matmul(inputs, self.kernel)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }


def matmul(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiplies the last axis of `x` `[..., inputs]` by `[inputs, units]`.

    One matrix product over all leading axes: faster than a batched one, and
    exporters turn it into a fully connected layer.
    """
    kernel = tf.convert_to_tensor(kernel)
    outputs = tf.matmul(tf.reshape(x, [-1, kernel.shape[0]]), kernel)
    leading = [
        size if size is not None else tf.shape(x)[axis]
        for axis, size in enumerate(x.shape[:-1])
    ]
    return tf.reshape(outputs, [*leading, kernel.shape[1]])
