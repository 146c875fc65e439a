"""A signature of an exported model, before it is in any format."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

Batch = Mapping[str, tf.Tensor]
Outputs = Mapping[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A signature of an exported model.

    Attributes:
        inputs: name -> type and shape.
        function: maps tensors by name to tensors by name.
    """

    inputs: Mapping[str, tf.TensorSpec]
    function: Callable[[Batch], Outputs]
