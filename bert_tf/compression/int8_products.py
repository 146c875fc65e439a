"""A model's products and look-ups computed as an int8 file will compute them.

That is what `export.tflite.quantizer` writes for `int8`: the weights of dense layers
and of the scores of labels in int8, a scale for each output and 0 as 0; their inputs
and outputs in int8, one range for all of a tensor; biases in steps of both scales; rows
of embeddings in int8, a scale for each. Everything in between stays float32.

What is added to a residual has a range for each output: BERTs have single outputs a
hundred times larger than the others, which one range for all would round to nothing.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from bert_tf.checkpoints.quantization_ranges import Ranges
from bert_tf.layers.dense import Dense
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.logits import Logits
from bert_tf.ops import fake_quantization as fake
from bert_tf.ops.matmul import matmul

MIN_ELEMENTS = 1024
"""Smaller weights stay float32: they take no space, and heads are sensitive."""


SHARES = (-128 / 127, 1.0)
"""The range of outputs as shares of their bounds: of 127 steps to either one."""


class Limits(NamedTuple):
    """Within which activations are rounded.

    Attributes:
        ranges: float32 `[2, 2]`, see `ProductRanges.array`; not known where a minimum
            is above its maximum.
        bounds: float32 `[outputs]`, see `ProductRanges.bounds`; not known where
            negative. None for one range for all outputs.
    """

    ranges: keras.Variable | tf.Tensor
    bounds: keras.Variable | tf.Tensor | None = None

    @property
    def size(self) -> int:
        """How many numbers `observed` holds: two of inputs, those of the outputs."""
        return 4 if self.bounds is None else 2 + self.bounds.shape[0]


class Int8Product:
    """A dense layer's product, or that of scores of labels, as int8 computes it.

    Attributes:
        limits: as given.
        observed: as given.
        observes: whether products raise `observed`.

    Args:
        layer: whose product.
        limits: of activations.
        observed: for training: the largest of what the tensors held since it was -inf,
            in the order of `extremes`. With it, limits that are not known yet are those
            of the tensor at hand, and operations are fused.
    """

    def __init__(
        self,
        layer: Dense | Logits,
        limits: Limits,
        observed: tf.Variable | None = None,
    ):
        self._layer = layer
        self.limits = limits
        self.observed = observed
        self.observes = False

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps float32 `[..., inputs]` to `[..., units]`, the bias added."""
        layer = self._layer
        if isinstance(layer, Dense):
            kernel, bias = layer.effective_kernel(), layer.bias
        else:
            kernel = tf.transpose(layer.output_weights)
            bias = layer.output_bias
        scale = fake.weight_scale(kernel, axis=0)
        ranges = tf.convert_to_tensor(self.limits.ranges)
        seen = _extremes(inputs)
        inputs, steps = self._rounded(inputs, ranges[0], seen)
        bias = fake.round_weight(tf.convert_to_tensor(bias), scale[0] * steps.scale)
        outputs = matmul(inputs, fake.round_weight(kernel, scale), bias)
        if self.limits.bounds is None:
            of_outputs = _extremes(outputs)
            rounded, _ = self._rounded(outputs, ranges[1], of_outputs)
        else:
            of_outputs = tf.reduce_max(
                tf.abs(tf.stop_gradient(outputs)),
                axis=list(range(outputs.shape.rank - 1)),
            )
            bounds = tf.convert_to_tensor(self.limits.bounds)
            bounds = tf.where(bounds > 0, bounds, tf.maximum(of_outputs, 1e-6))
            shares, _ = self._rounded(outputs / bounds, tf.constant(SHARES), None)
            rounded = shares * bounds
        if self.observes:
            assert self.observed is not None
            found = tf.concat([seen, of_outputs], 0)
            write(self.observed, tf.maximum(read(self.observed), found))
        return rounded

    def _rounded(
        self, x: tf.Tensor, known: tf.Tensor, extremes: tf.Tensor | None
    ) -> tuple[tf.Tensor, fake.Steps]:
        """Rounds to the steps of a range, or of what `_extremes` returned."""
        if self.observed is not None and extremes is not None:
            is_known = known[0] <= known[1]
            known = tf.where(is_known, known, extremes * [-1.0, 1.0])
        steps = fake.activation_steps(known[0], known[1])
        return fake.round_activations(x, steps, fused=self.observed is not None), steps


def products(model: keras.Model) -> dict[str, Dense | Logits]:
    """Returns the layers whose products int8 files have in int8, by weight."""
    root = f"{model.name}/"
    found: dict[str, Dense | Logits] = {}
    for layer in _layers(model):
        weight = None
        if isinstance(layer, Dense):
            weight = layer.kernel
        elif isinstance(layer, Logits):
            weight = layer.output_weights
        if weight is not None and _size(weight) >= MIN_ELEMENTS:
            found[weight.path.removeprefix(root)] = layer
    return found


def has_bounds(weight: str) -> bool:
    """Returns whether a product's outputs, which residuals are added to, have some.

    Args:
        weight: its name.
    """
    return weight.endswith("/output/dense/kernel")


def int8_products(model: keras.Model) -> dict[str, Int8Product]:
    """Returns the products that `compute_in_int8` has replaced, by weight."""
    return {
        name: layer.product
        for name, layer in products(model).items()
        if isinstance(layer.product, Int8Product)
    }


def compute_in_int8(
    model: keras.Model,
    limits: Mapping[str, Limits],
    observed: Mapping[str, tf.Variable] | None = None,
) -> None:
    """Has a model compute as its int8 file will.

    Args:
        model: built, float32.
        limits: of each of `products`; see `Int8Product`.
        observed: of each, for training; None elsewhere.
    """
    for name, layer in products(model).items():
        layer.product = Int8Product(
            layer, limits[name], None if observed is None else observed[name]
        )
    for layer in _layers(model):
        if isinstance(layer, Embeddings):
            layer.row_transform = _RoundedRows(layer)


def simulate(model: keras.Model, ranges: Ranges) -> None:
    """Has a model compute as its int8 file does, with the ranges of its training."""
    limits = {
        name: Limits(
            tf.constant(each.array), tf.constant(each.bounds) if each.bounds else None
        )
        for name, each in ranges.items()
    }
    compute_in_int8(model, limits)


class _RoundedRows:
    """Rounds rows of embeddings, those of tables that files have in int8."""

    def __init__(self, layer: Embeddings):
        self._layer = layer

    def __call__(self, name: str, rows: tf.Tensor) -> tf.Tensor:
        if _size(getattr(self._layer, name)) < MIN_ELEMENTS:
            return rows
        return fake.round_weight(rows, fake.weight_scale(rows, axis=-1))


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    # Keras' own way to all layers inside layers.
    yield from model._flatten_layers()


def _size(weight: keras.Variable) -> int:
    rows, columns = weight.shape
    return int(rows * columns)


def _extremes(x: tf.Tensor) -> tf.Tensor:
    """Returns the largest of the negated values and of the values."""
    x = tf.stop_gradient(x)
    return tf.stack([-tf.reduce_min(x), tf.reduce_max(x)])


def read(variable: tf.Variable) -> tf.Tensor:
    """Returns this replica's copy of a variable."""
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=tf.float32)


def write(variable: tf.Variable, value: tf.Tensor) -> None:
    """Assigns to this replica's copy of a variable; others may hold other values."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
