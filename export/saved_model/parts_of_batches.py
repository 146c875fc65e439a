"""Batches that run in parts, so that short texts do not pay for the longest one."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bert_tf.tasks.endpoint import Batch, Outputs
from export.saved_model.input_checks import WITH_INPUT_IDS


class ModelInParts:
    """A model that runs the rows of a batch in several parts, the longest rows first.

    A part has as many rows as fit the tokens, padded to its own longest one. So a batch
    costs little more than its texts' own tokens, and takes the memory of a part.

    In all else it is the model.

    Args:
        model: with its weights.
        tokens: of a part, padding included; one row may have more.
    """

    def __init__(self, model: keras.Model, tokens: int):
        self._model = model
        self._tokens = tokens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def bert(self) -> "ModelInParts":
        """The model's encoder, run in the same way."""
        return ModelInParts(self._model.bert, self._tokens)

    def __call__(self, inputs: Batch, **arguments: Any) -> Outputs:
        """Runs the model; see `run_in_parts`."""
        return run_in_parts(
            lambda part: self._model(part, **arguments), inputs, self._tokens
        )


def run_in_parts(
    function: Callable[[Batch], Outputs], inputs: Batch, tokens: int
) -> dict[str, tf.Tensor]:
    """Applies a function to a batch's rows, part by part.

    Args:
        function: maps a batch to outputs `[rows, ...]`, where none depends on another
            row.
        inputs: `input_ids`, `input_mask` and `segment_ids`, int32 `[batch, length]` or
            `[batch, sequences, length]`, a sequence's tokens before its padding; and
            others, `[batch, ...]`.
        tokens: of a part, padding included; a longer row is a part of its own.

    Returns:
        The outputs, `[batch, ...]`, in the order of the inputs. Where their second axis
        is the length, those of shorter parts are filled up with zeros.
    """
    mask = inputs["input_mask"]
    lengths = tf.reduce_sum(mask, axis=-1)
    num_sequences = 1
    if mask.shape.rank == 3:
        lengths = tf.reduce_max(lengths, axis=1)
        num_sequences = tf.shape(mask)[1]
    order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    lengths = tf.gather(lengths, order)
    ordered = {name: tf.gather(values, order) for name, values in inputs.items()}
    specs = {
        name: tf.TensorSpec(
            [None, *values.shape[1:-1], None]
            if name in WITH_INPUT_IDS
            else [None, *values.shape[1:]],
            values.dtype,
            name=name,
        )
        for name, values in ordered.items()
    }
    # Traced here, for what its outputs are called and what shapes they have.
    run = tf.function(function, autograph=False).get_concrete_function(specs)
    shapes = {name: value.shape for name, value in run.structured_outputs.items()}

    def run_part(start: tf.Tensor, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        longest = tf.maximum(lengths[start], 1)
        end = start + tf.maximum(tokens // (longest * num_sequences), 1)
        rows = {name: values[start:end] for name, values in ordered.items()}
        part = {
            name: values[..., :longest] if name in WITH_INPUT_IDS else values
            for name, values in rows.items()
        }
        more = run(**part)
        return end, {n: _append(outputs[n], more[n], shapes[n]) for n in outputs}

    nothing = {
        name: tf.zeros([0, *(size or 0 for size in shapes[name][1:])], value.dtype)
        for name, value in run.structured_outputs.items()
    }
    _, outputs = tf.while_loop(
        lambda start, _: start < tf.size(order),
        run_part,
        (tf.constant(0), nothing),
        shape_invariants=(tf.TensorShape([]), shapes),
        parallel_iterations=1,
    )
    places = tf.math.invert_permutation(order)
    return {name: tf.gather(values, places) for name, values in outputs.items()}


def _append(rows: tf.Tensor, more: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Joins rows, the later ones filled up to the second axis of the first ones."""
    if shape.rank > 1 and shape[1] is None:
        width = tf.maximum(tf.shape(rows)[1], tf.shape(more)[1])
        rows, more = (_widen(values, width) for values in (rows, more))
    return tf.concat([rows, more], axis=0)


def _widen(values: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    padding = [[0, 0], [0, width - tf.shape(values)[1]]]
    return tf.pad(values, padding + [[0, 0]] * (values.shape.rank - 2))
