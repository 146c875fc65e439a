"""How layers are made: from a `BertConfig`, and of parts."""

import dataclasses
import zlib
from typing import Any

import keras

from bert_tf.config import BertConfig


def derive_seed(seed: int, name: str) -> int:
    """Returns the seed of one part of a layer, a function of its own seed and name."""
    return zlib.crc32(f"{seed}/{name}".encode())


def part_of(layer: keras.layers.Layer, name: str) -> dict[str, Any]:
    """Returns what a layer hands down to a part of it, as keyword arguments.

    Args:
        layer: one with a `seed`.
        name: of the part, the next step in the paths of its variables.
    """
    return {
        "seed": derive_seed(layer.seed, name),
        "name": name,
        "dtype": layer.dtype_policy,
    }


class ConfiguredLayer(keras.layers.Layer):
    """A layer whose shape is a model's configuration.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values: the same seed gives the same ones.
        **kwargs: name and dtype.
    """

    def __init__(
        self, config: BertConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        config = BertConfig(**config) if isinstance(config, dict) else config
        self.config = config.validate()
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "config": dataclasses.asdict(self.config),
            "seed": self.seed,
        }
