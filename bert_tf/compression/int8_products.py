"""A model's products and look-ups computed as an int8 file will compute them.

That is what `export.tflite.quantizer` writes for `int8`: the weights of dense layers
and of the scores of labels in int8, a scale for each output and 0 as 0; their inputs
and outputs in int8, one range for all of a tensor; biases in steps of both scales; rows
of embeddings in int8, a scale for each. Everything in between stays float32.
"""

from collections.abc import Iterator, Mapping

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


class Int8Product:
    """A dense layer's product, or that of scores of labels, as int8 computes it.

    Attributes:
        ranges: as given.
        observed: as given.
        observes: whether products raise `observed`.

    Args:
        layer: whose product.
        ranges: float32 `[2, 2]`, see `ProductRanges.array`.
        observed: for training: float32 `[2, 2]`, the largest of what the tensors held
            since it was -inf: the inputs' values negated and as they are, then the
            outputs'. With it a range whose minimum is above its maximum, as before the
            first step, is that of the tensor at hand, and operations are fused.
    """

    def __init__(
        self,
        layer: Dense | Logits,
        ranges: keras.Variable | tf.Tensor,
        observed: tf.Variable | None = None,
    ):
        self._layer = layer
        self.ranges = ranges
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
        inputs, steps = self._rounded(inputs, 0)
        bias = fake.round_weight(tf.convert_to_tensor(bias), scale[0] * steps.scale)
        outputs = matmul(inputs, fake.round_weight(kernel, scale), bias)
        return self._rounded(outputs, 1)[0]

    def _rounded(self, x: tf.Tensor, place: int) -> tuple[tf.Tensor, fake.Steps]:
        """Rounds inputs, of place 0, or outputs, of place 1."""
        known = tf.convert_to_tensor(self.ranges)[place]
        if self.observed is not None:
            extremes = _extremes(x)
            if self.observes:
                _raise_to(self.observed, extremes, place)
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


def int8_products(model: keras.Model) -> dict[str, Int8Product]:
    """Returns the products that `compute_in_int8` has replaced, by weight."""
    return {
        name: layer.product
        for name, layer in products(model).items()
        if isinstance(layer.product, Int8Product)
    }


def compute_in_int8(
    model: keras.Model,
    ranges: Mapping[str, keras.Variable | tf.Tensor],
    observed: Mapping[str, tf.Variable] | None = None,
) -> None:
    """Has a model compute as its int8 file will.

    Args:
        model: built, float32.
        ranges: of each of `products`; see `Int8Product`.
        observed: of each, for training; None elsewhere.
    """
    for name, layer in products(model).items():
        layer.product = Int8Product(
            layer, ranges[name], None if observed is None else observed[name]
        )
    for layer in _layers(model):
        if isinstance(layer, Embeddings):
            layer.row_transform = _RoundedRows(layer)


def simulate(model: keras.Model, ranges: Ranges) -> None:
    """Has a model compute as its int8 file does, with the ranges of its training."""
    compute_in_int8(
        model, {name: tf.constant(each.array) for name, each in ranges.items()}
    )


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


def _raise_to(observed: tf.Variable, extremes: tf.Tensor, place: int) -> None:
    lowest = tf.fill([2], float("-inf"))
    rows = [extremes, lowest] if place == 0 else [lowest, extremes]
    write(observed, tf.maximum(read(observed), tf.stack(rows)))
