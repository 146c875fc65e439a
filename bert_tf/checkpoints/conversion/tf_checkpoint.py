"""TensorFlow's checkpoint files: `PREFIX.index` and `PREFIX.data-*`."""

import contextlib
import os
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.wildcards import without_wildcards

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def find_prefix(path: Path) -> Path:
    """Returns the prefix of the one checkpoint that `path` means.

    Args:
        path: a prefix, its `.index` file, a folder with one checkpoint or with a
            `checkpoint` state file, or a SavedModel.

    Raises:
        InputError: none there, or several.
    """
    if path.suffix == ".index":
        return path.with_suffix("")
    if Path(f"{path}.index").is_file():
        return path
    if (path / "saved_model.pb").is_file():
        return path / "variables" / "variables"
    if (path / "checkpoint").is_file():
        import tensorflow as tf

        try:
            latest = tf.train.latest_checkpoint(str(path))
        except (tf.errors.OpError, ValueError) as error:
            raise InputError(
                f"{path / 'checkpoint'}: damaged ({error}). Delete it, or name the "
                "checkpoint without '.index'."
            ) from error
        if latest:
            return Path(latest)
    prefixes = sorted(index.with_suffix("") for index in path.glob("*.index"))
    if len(prefixes) != 1:
        raise InputError(
            f"{path}: must hold one TensorFlow checkpoint. Received: "
            f"{[prefix.name for prefix in prefixes]}; name one of them, without "
            "'.index'."
        )
    return prefixes[0]


class CheckpointArrays(Mapping[str, np.ndarray]):
    """The arrays of a checkpoint by key, each read when it is asked for.

    Args:
        prefix: the checkpoint's path without `.index`.

    Raises:
        InputError: not a whole checkpoint.
    """

    def __init__(self, prefix: Path) -> None:
        import tensorflow as tf

        self.prefix = prefix
        self._errors = tf.errors.OpError
        files = contextlib.ExitStack()
        weakref.finalize(self, files.close)  # The reader opens files when asked.
        readable = files.enter_context(without_wildcards(prefix))
        try:
            self._reader = tf.train.load_checkpoint(str(readable))
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"{prefix}.index: not a whole TensorFlow checkpoint ({error})."
            ) from error
        self._shapes = self._reader.get_variable_to_shape_map()

    def __getitem__(self, key: str) -> Any:
        if key not in self._shapes:
            raise KeyError(key)
        try:
            return self._reader.get_tensor(key)
        except (self._errors, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"{self.prefix}.data-*: damaged at `{key}` ({error})."
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._shapes))

    def __len__(self) -> int:
        return len(self._shapes)

    def object_graph(self) -> Any:
        """Returns the `TrackableObjectGraph` of a TF2 checkpoint, or None."""
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        if OBJECT_GRAPH not in self._shapes:
            return None
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(self[OBJECT_GRAPH])
        return graph

    def keys_by_variable_name(self) -> dict[str, str]:
        """Maps the variables' own names, `bert/...`, to the checkpoint's keys."""
        graph = self.object_graph()
        if graph is None:
            return {key: key for key in self}
        return {
            attribute.full_name: attribute.checkpoint_key
            for node in graph.nodes
            for attribute in node.attributes
            if attribute.checkpoint_key in self._shapes
        }


def write_arrays(prefix: str | os.PathLike[str], arrays: dict[str, np.ndarray]) -> None:
    """Writes a checkpoint whose keys are the arrays' names, as TF1 did."""
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=[tf.constant(array) for array in arrays.values()],
    )
