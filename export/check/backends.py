"""One model, run in three places: Keras, a SavedModel's own process, LiteRT.

Each takes a batch of int32 arrays by name and returns float32 arrays by name, as the
task says, with the batch in front.
"""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json
from bert_tf.storage.wildcards import without_wildcards
from export.check.artifact_process import ArtifactProcess, EndedError

Arrays = Mapping[str, np.ndarray]


class RefusedRequestError(InputError):
    """A request that a SavedModel answers with an error."""


class Backend(Protocol):
    """Somewhere a model runs."""

    def predict(self, batch: Arrays) -> Arrays:
        """Returns the logits of a batch."""
        ...

    def time_calls(self, example: Arrays, calls: int) -> list[float]:
        """Returns the seconds of each of `calls` predictions of a batch of one."""
        ...


class KerasBackend:
    """The model itself, as training evaluates it.

    Args:
        function: maps its inputs to its outputs, by name.
    """

    def __init__(self, function: Callable[[Any], Any]):
        import tensorflow as tf

        self._predict = tf.function(function, reduce_retracing=True)

    def predict(self, batch: Arrays) -> Arrays:
        """Returns the logits of a batch."""
        outputs = self._predict(dict(batch))
        return {name: np.asarray(value) for name, value in outputs.items()}

    def time_calls(self, example: Arrays, calls: int) -> list[float]:
        """Returns the seconds of each of `calls` predictions of a batch of one."""
        return seconds_of_calls(lambda: self.predict(example), calls)


class SavedModelBackend:
    """A SavedModel in a process that imports only TensorFlow and TensorFlow Text.

    Args:
        directory: the SavedModel.
        num_threads: threads an operation may use.

    Attributes:
        precision: in what it computes its products.

    Raises:
        InputError: the folder holds no SavedModel.
    """

    def __init__(self, directory: str | os.PathLike[str], num_threads: int):
        check_saved_model(directory)
        self._directory = os.fspath(directory)
        described = Path(directory) / "assets.extra" / "export.json"
        description = read_json(described) if described.is_file() else {}
        self.precision: str = description.get("precision", "float32")
        self._static_batch_size: int | None = description.get("static_batch_size")
        self._links = contextlib.ExitStack()
        readable = self._links.enter_context(without_wildcards(Path(directory)))
        self._process = self._links.enter_context(
            ArtifactProcess("saved_model_process.py", str(readable), str(num_threads))
        )

    def predict(self, batch: Arrays) -> Arrays:
        """Returns the logits of a batch, from the signature `serve_ids`."""
        size = self._static_batch_size
        if size is None:
            return self.call("serve_ids", batch)[0]
        count = len(next(iter(batch.values())))
        parts = []
        for start in range(0, count, size):
            # The last rows fill the batch up with the first.
            rows = np.arange(start, start + size) % count
            part = {name: value[rows] for name, value in batch.items()}
            parts.append(self.call("serve_ids", part)[0])
        return {
            name: np.concatenate([part[name] for part in parts])[:count]
            for name in parts[0]
        }

    def time_calls(self, example: Arrays, calls: int) -> list[float]:
        """Returns the seconds of each of `calls` predictions of a batch of one."""
        size = self._static_batch_size
        if size is not None:
            example = {name: value.repeat(size, 0) for name, value in example.items()}
        return self.call("serve_ids", example, calls)[1]

    def call(
        self, signature: str, inputs: Mapping[str, Any], calls: int = 1
    ) -> tuple[dict[str, np.ndarray], list[float]]:
        """Calls a signature of the SavedModel.

        Args:
            signature: its name.
            inputs: what `tf.constant` takes, by name.
            calls: how often it is called.

        Returns:
            The outputs, and the seconds of each call.

        Raises:
            RefusedRequestError: the SavedModel refuses these inputs.
            InputError: the process ended, so the SavedModel does not load or run.
        """
        try:
            answer = self._process.ask((signature, inputs, calls))
        except EndedError as error:
            raise InputError(
                f"{self._directory}: this SavedModel could not be loaded or run where "
                "only tensorflow and tensorflow_text are imported; the reason stands "
                f"above. Exit status: {error}"
            ) from None
        if isinstance(answer, str):
            raise RefusedRequestError(f"{self._directory}: {signature}: {answer}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._links.close()


def seconds_of_calls(call: Callable[[], Any], calls: int) -> list[float]:
    """Returns the seconds of each of some calls."""
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def check_saved_model(directory: str | os.PathLike[str]) -> None:
    """Checks that a folder holds a SavedModel.

    Raises:
        InputError: it does not.
    """
    if not (Path(directory) / "saved_model.pb").is_file():
        raise InputError(
            f"{os.fspath(directory)}: no SavedModel here (no saved_model.pb). "
            "Write one with `python -m export.export_saved_model`."
        )
