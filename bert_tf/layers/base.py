"""How layers are made: from their arguments or a configuration, and of other layers."""

import dataclasses
import inspect
import zlib
from typing import Any, ClassVar

import keras

from bert_tf.config import BertConfig


def derive_seed(seed: int, name: str) -> int:
    """Returns the seed of one part of a layer, a function of its own seed and name."""
    return zlib.crc32(f"{seed}/{name}".encode())


def child_arguments(layer: keras.layers.Layer, name: str) -> dict[str, Any]:
    """Returns what a layer hands down to one that it is made of.

    Args:
        layer: one with a `seed`.
        name: the inner layer's name, the next step in the paths of its variables.

    Returns:
        Keyword arguments of the inner layer's constructor.
    """
    return {
        "seed": derive_seed(layer.seed, name),
        "name": name,
        "dtype": layer.dtype_policy,
    }


def build_unnamed(layer: keras.layers.Layer, *arguments: Any) -> None:
    """Builds an inner layer whose own name is left out of its variables' paths.

    google-research/bert's names know no feed-forward sub-layer and no classifier: what
    is inside stands directly under the layer around it.

    Args:
        layer: the inner layer.
        *arguments: of its `build`.
    """
    # Keras opens the scope in a wrapper that it puts around the instance's `build`.
    type(layer).build(layer, *arguments)
    layer.built = True


class BaseLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor under the argument's name.

    So Keras can save it.
    """

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = set(inspect.signature(type(self).__init__).parameters)
        return {
            **super().get_config(),
            **{
                name: _plain(getattr(self, name))
                for name in sorted(names - {"self", "name", "kwargs"})
            },
        }


class ConfiguredLayer(BaseLayer):
    """A layer whose shape is a dataclass.

    Args:
        config: the shape, a `config_class` or its fields as a dictionary.
        seed: Seed of the initial values: the same seed gives the same ones.
        **kwargs: name and dtype.
    """

    config_class: ClassVar[type] = BertConfig

    def __init__(self, config: Any, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(config, dict):
            config = self.config_class(**config)
        self.config = config.validate()
        self.seed = seed


def _plain(value: Any) -> Any:
    """Turns dataclasses into dictionaries."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
