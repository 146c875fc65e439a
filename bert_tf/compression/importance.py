"""How much a trained model needs each of its layers, heads and neurons."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf.data.source import ExampleSource
from bert_tf.layers.dense import Dense
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.tasks.endpoint import Batch
from bert_tf.tasks.task import Task

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Importance:
    """How strongly the loss depends on each part: the larger, the more it is needed.

    A mask m = 1 multiplies what a part gives, and of one example the part's importance
    is |dL / dm|. Here are the sums over examples.

    Attributes:
        layers: float64 `[layers]`; a layer's mask, at 0, would let its inputs through.
        heads: of each layer float64 `[heads]`.
        neurons: of each layer float64 `[intermediate_size]`.

    Source: Michel et al. 2019 (arXiv:1905.10650), section 4.1, equation 2.
    """

    layers: np.ndarray
    heads: list[np.ndarray]
    neurons: list[np.ndarray]


class _Masks(NamedTuple):
    """Masks of one layer, or gradients of them.

    Attributes:
        layer: `[B, 1, 1]`.
        heads: `[B, 1, N * D]`, of each place of each head.
        neurons: `[B, 1, intermediate_size]`.
    """

    layer: tf.Tensor
    heads: tf.Tensor
    neurons: tf.Tensor


def measure(
    task: Task,
    model: keras.Model,
    source: ExampleSource,
    max_examples: int = 0,
    batch_size: int = _BATCH_SIZE,
) -> Importance:
    """Measures a model on labelled examples, without dropout.

    Args:
        task: what the model was trained for.
        model: with its weights; any but an encoder-decoder.
        source: the examples.
        max_examples: the first so many; 0 for all.
        batch_size: how many at once, which changes no more than rounding.
    """
    stack = stack_of(model)

    @tf.function(reduce_retracing=True, autograph=False)
    def step(batch: Batch) -> list[_Masks]:
        with tf.GradientTape() as tape, _masked(stack, tape) as masks:
            sums = _sums(task, model, batch)
            loss = tf.add_n([sums[f"{name}_loss"] for name in task.losses])
        gradients = tape.gradient(loss, [_Masks(**of_layer) for of_layer in masks])
        return [
            _summed(of_layer, block.head_size)
            for of_layer, block in zip(gradients, stack.blocks, strict=True)
        ]

    total = None
    for batch in _batches(source, max_examples, batch_size, "Measuring importance"):
        found = tf.nest.map_structure(
            lambda x: x.numpy().astype(np.float64), step(batch)
        )
        total = found if total is None else tf.nest.map_structure(np.add, total, found)
    assert total is not None, "sources have examples"
    return Importance(
        layers=np.array([of_layer.layer for of_layer in total]),
        heads=[of_layer.heads for of_layer in total],
        neurons=[of_layer.neurons for of_layer in total],
    )


def mean_loss(
    task: Task,
    model: keras.Model,
    source: ExampleSource,
    max_examples: int = 0,
    batch_size: int = _BATCH_SIZE,
) -> float:
    """Returns the loss on the examples that `measure` takes of the same arguments."""

    @tf.function(reduce_retracing=True, autograph=False)
    def step(batch: Batch) -> dict[str, tf.Tensor]:
        weights = {f"{name}_weight": w for name, w in task.weights(batch).items()}
        return {**_sums(task, model, batch), **weights}

    total: dict[str, float] = {}
    for batch in _batches(source, max_examples, batch_size, "Measuring the loss"):
        for name, value in step(batch).items():
            total[name] = total.get(name, 0.0) + float(value)
    return sum(total[f"{n}_loss"] / total[f"{n}_weight"] for n in task.losses)


def stack_of(model: keras.Model) -> TransformerStack:
    """Returns the blocks of an encoder with a head, or of a decoder."""
    return getattr(model, "bert", model).encoder


@contextlib.contextmanager
def _masked(
    stack: TransformerStack, tape: tf.GradientTape
) -> Iterator[list[dict[str, tf.Tensor]]]:
    """Puts masks of 1 over all parts of a stack while it is called once.

    Yields:
        What the call fills: of each layer the fields of `_Masks`.
    """
    masks: list[dict[str, tf.Tensor]] = [{} for _ in stack.layers]

    def mask(layer: int, part: str, x: tf.Tensor, width: int) -> tf.Tensor:
        ones = tf.ones(tf.stack([tf.shape(x)[0], 1, width]), x.dtype)
        tape.watch(ones)
        masks[layer][part] = ones
        return ones

    def of_layer(layer: int, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        return after + (mask(layer, "layer", after, 1) - 1) * (after - before)

    def of_inputs(dense: Dense, layer: int, part: str) -> None:
        dense.input_transform = lambda x: x * mask(layer, part, x, x.shape[-1])

    products = [
        (
            block.attention.residual_output.dense,
            block.feed_forward.residual_output.dense,
        )
        for block in stack.layers
    ]
    stack.observer = of_layer
    for layer, (attention, feed_forward) in enumerate(products):
        of_inputs(attention, layer, "heads")
        of_inputs(feed_forward, layer, "neurons")
    try:
        yield masks
    finally:
        stack.observer = None
        for dense in (dense for pair in products for dense in pair):
            dense.input_transform = None


def _summed(gradients: _Masks, head_size: int) -> _Masks:
    """Returns the sums over examples of the importance of one layer's parts."""
    shape = [-1, gradients.heads.shape[-1] // head_size, head_size]
    of_heads = tf.reduce_sum(tf.reshape(gradients.heads, shape), axis=-1)
    return _Masks(
        tf.reduce_sum(tf.abs(gradients.layer)),
        tf.reduce_sum(tf.abs(of_heads), axis=0),
        tf.reduce_sum(tf.abs(gradients.neurons), axis=[0, 1]),
    )


def _sums(task: Task, model: keras.Model, batch: Batch) -> dict[str, tf.Tensor]:
    """Returns the sums of the losses to train with over a batch."""
    sums = task.sums(task.apply(model, batch), batch, training=True)
    return {f"{name}_loss": sums[f"{name}_loss"] for name in task.losses}


def _batches(
    source: ExampleSource, max_examples: int, batch_size: int, what: str
) -> Iterator[dict[str, tf.Tensor]]:
    """Yields each example once, the last batch as small as it needs to be."""
    count = min(max_examples or source.num_examples, source.num_examples)
    with tqdm(desc=what, total=count, unit="examples", file=sys.stderr) as bar:
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            read = source.reader(replica_batch_size=size).read(start, 1)
            batch = {name: values[0, 0] for name, values in read.items()}
            num_rows = batch.pop("num_rows", None)
            yield {name: tf.constant(v[:num_rows]) for name, v in batch.items()}
            bar.update(size)
