"""What all models have in common: tensors by name in and out, and dropout."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import ConfiguredLayer
from bert_tf.ops.compiled import has_accelerator

Tensors = dict[str, tf.Tensor]


class BertModel(ConfiguredLayer, keras.Model):
    """A model that `config` describes.

    `call` takes a dictionary of tensors and returns one; it ignores entries that it
    does not know. Besides it takes

    - `training`: whether there is dropout;
    - `dropout_seed`: int32 `[2]`, which alone decides what is dropped; None for the
      next seed of the model's own, another one in each call;
    - `fused`: whether to use the fused operations (`bert_tf.ops`); None for these in
      training and plain ones elsewhere.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values, and of the dropout of calls without a
            `dropout_seed`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        # Keras' `fit` would have XLA compile the whole step, which is slow on CPUs.
        self.supports_jit = has_accelerator()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def modes(
        self,
        training: bool,
        dropout_seed: tf.Tensor | None,
        fused: bool | None,
    ) -> dict[str, Any]:
        """Decides what `call` leaves open, as keyword arguments of an inner model.

        Without training there is no `dropout_seed`, in training there is one.
        """
        if not training:
            dropout_seed = None
        elif dropout_seed is None:
            dropout_seed = tf.cast(self.seed_generator.next(), tf.int32)
        return {
            "training": training,
            "dropout_seed": dropout_seed,
            "fused": training if fused is None else fused,
        }
