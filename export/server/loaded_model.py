"""A SavedModel in memory: its signatures, and how they are run.

Loads TensorFlow when it is imported.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers its operations)
from absl import logging
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from bert_tf.errors import InputError
from bert_tf.storage.files import read_bytes
from bert_tf.storage.wildcards import without_wildcards
from export.server.errors import RequestError
from export.server.signature import Signature, Tensors, TensorSpec

# TensorFlow's codes in HTTP, as TF Serving's `http_server.cc` has them.
_STATUS = {
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.DEADLINE_EXCEEDED: 504,
    tf.errors.NOT_FOUND: 404,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.FAILED_PRECONDITION: 400,
    tf.errors.ABORTED: 409,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
}
_WARM_UP_TEXT = "The answer to the [MASK] question is [MASK]."
_WARM_UP_ROWS = (1, 2, 8)


class LoadedModel:
    """A SavedModel's signatures.

    Args:
        directory: of the SavedModel.

    Raises:
        InputError: there is none, or it does not load.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        graph = _meta_graph(Path(directory))
        self.signature_defs = graph.signature_def
        self.signatures = {
            name: Signature(name, _specs(value.inputs), _specs(value.outputs))
            for name, value in sorted(graph.signature_def.items())
            if value.inputs  # What initializes the model has none.
        }
        try:
            with without_wildcards(Path(directory)) as path:
                self._loaded = tf.saved_model.load(os.fspath(path))
        # Of a file that is still being copied, for one, `IndexError`.
        except Exception as error:
            raise InputError(
                f"{directory}: TensorFlow does not load it as a SavedModel: {error}"
            ) from error

    def metadata(self) -> dict[str, Any]:
        """Returns the signatures as TF Serving's metadata has them."""
        return {
            name: json_format.MessageToDict(
                value,
                always_print_fields_with_no_presence=True,
                preserving_proto_field_name=True,
            )
            for name, value in sorted(self.signature_defs.items())
        }

    def run(self, signature: Signature, inputs: Tensors) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature, strings as `bytes` in arrays of objects.

        Args:
            signature: one of `signatures`.
            inputs: what it takes.

        Raises:
            RequestError: the model refuses the inputs.
        """
        function = self._loaded.signatures[signature.name]
        try:
            tensors = {
                name: tf.constant(array, signature.inputs[name].dtype)
                for name, array in inputs.items()
            }
            outputs = function(**tensors)
            return {name: value.numpy() for name, value in outputs.items()}
        except tf.errors.OpError as error:
            status = _STATUS.get(error.error_code, 500)
            raise RequestError(status, error.message) from error

    def warm_up(self) -> None:
        """Runs every signature, so that the first request is as fast as the others."""
        for signature in self.signatures.values():
            for rows in _WARM_UP_ROWS:
                inputs = {
                    name: _example(spec, rows)
                    for name, spec in signature.inputs.items()
                }
                try:
                    self.run(signature, inputs)
                except RequestError as error:
                    # As serialized examples, which a text is none of.
                    logging.debug("%s is not warmed up: %s", signature.name, error)


def _meta_graph(directory: Path) -> meta_graph_pb2.MetaGraphDef:
    path = directory / "saved_model.pb"
    try:
        saved = saved_model_pb2.SavedModel.FromString(read_bytes(path))
    except DecodeError as error:
        raise InputError(f"{path}: not a SavedModel: {error}") from error
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return graph
    raise InputError(f"{path}: it holds no graph that is tagged `serve`.")


def _specs(
    infos: Mapping[str, meta_graph_pb2.TensorInfo],
) -> dict[str, TensorSpec]:
    return {name: _spec(info) for name, info in sorted(infos.items())}


def _spec(info: meta_graph_pb2.TensorInfo) -> TensorSpec:
    shape = info.tensor_shape
    if shape.unknown_rank:
        return TensorSpec(tf.as_dtype(info.dtype).name, None)
    sizes = tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
    return TensorSpec(tf.as_dtype(info.dtype).name, sizes)


def _example(spec: TensorSpec, rows: int) -> np.ndarray:
    """Returns an input of ones, or of texts."""
    first, *others = spec.shape or (None,)
    shape = [first or rows, *(size or 4 for size in others)] if spec.shape != () else ()
    if spec.dtype == "string":
        return np.full(shape, _WARM_UP_TEXT.encode(), object)
    return np.ones(shape, tf.as_dtype(spec.dtype).as_numpy_dtype)
