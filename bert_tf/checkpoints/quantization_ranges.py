"""The ranges of activations that quantization-aware training found.

A checkpoint keeps them among its variables, `ModelWeights` under `ranges`; the exports
that quantize activations take them from there. Free of TensorFlow.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from bert_tf.checkpoints.added_variables import ADDED
from bert_tf.errors import InputError

METHOD = "quantization"
"""Under which name a model keeps them; see `bert_tf.compression.added_variables`."""

_RANGES = "ranges/"
_BOUNDS = "bounds/"


@dataclasses.dataclass(frozen=True)
class Range:
    """The smallest and the largest value that a tensor may have."""

    minimum: float
    maximum: float


@dataclasses.dataclass(frozen=True)
class ProductRanges:
    """The ranges around a product with a weight.

    Attributes:
        inputs: of what the weight is multiplied by.
        outputs: of the product, the bias added; of its shares in `bounds`, if any.
        bounds: of each output the largest absolute value, where one range for all of
            them is too coarse.
    """

    inputs: Range
    outputs: Range
    bounds: tuple[float, ...] = ()

    @property
    def array(self) -> np.ndarray:
        """Float32 `[2, 2]`: inputs and outputs, the minimum and the maximum of each."""
        values = [dataclasses.astuple(each) for each in (self.inputs, self.outputs)]
        return np.array(values, np.float32)


Ranges = Mapping[str, ProductRanges]
"""By the name of the weight."""


def variable_name(weight: str) -> str:
    """Returns what the ranges around a weight's product are called in a model."""
    return f"{METHOD}/{_RANGES}{weight}"


def bounds_name(weight: str) -> str:
    """Returns what the bounds of a weight's outputs are called in a model."""
    return f"{METHOD}/{_BOUNDS}{weight}"


def to_variables(ranges: Ranges) -> dict[str, np.ndarray]:
    """Returns ranges as a checkpoint's variables."""
    variables = {}
    for name, each in ranges.items():
        variables[ADDED + variable_name(name)] = each.array
        if each.bounds:
            bounds = np.array(each.bounds, np.float32)
            variables[ADDED + bounds_name(name)] = bounds
    return variables


def from_variables(source: object, variables: Mapping[str, np.ndarray]) -> Ranges:
    """Returns the ranges among a checkpoint's variables; none if it has none.

    Args:
        source: where they come from, for errors.
        variables: by name.

    Raises:
        InputError: they are no ranges.
    """
    root = ADDED + variable_name("")
    found = {}
    for name in variables:
        if not name.startswith(root):
            continue
        array = np.asarray(variables[name])
        if (
            array.shape != (2, 2)
            or not np.isfinite(array).all()
            or (array[:, 0] > array[:, 1]).any()
        ):
            raise InputError(
                f"{source}: `{name}` must hold two ranges, a finite minimum and "
                f"maximum each. Received: {array.tolist()!r:.80}. Train it on with "
                "quantization, or take another checkpoint."
            )
        weight = name.removeprefix(root)
        bounds = np.asarray(variables.get(ADDED + bounds_name(weight), ()))
        if bounds.ndim != 1 or not (np.isfinite(bounds) & (bounds > 0)).all():
            raise InputError(
                f"{source}: the bounds of `{weight}` must be positive and finite. "
                "Train it on with quantization, or take another checkpoint."
            )
        inputs, outputs = (Range(*row) for row in array.tolist())
        found[weight] = ProductRanges(inputs, outputs, tuple(bounds.tolist()))
    return found
