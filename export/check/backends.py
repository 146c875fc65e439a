"""One model, run in three places: Keras, a SavedModel's own process, LiteRT.

Each takes a batch of int32 arrays by name and returns float32 arrays by name, as the
task says, with the batch in front.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json
from bert_tf.storage.wildcards import without_wildcards

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
        # Held back: TensorFlow's greeting is of use only where something fails.
        self._stderr = tempfile.TemporaryFile()
        # `-P` keeps our package from the child's path, so that the artifact can only
        # find TensorFlow; the script is given as a file for the same reason.
        script = Path(__file__).with_name("saved_model_process.py")
        self._process = subprocess.Popen(
            [sys.executable, "-P", script, readable, str(num_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
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
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump((signature, inputs, calls), self._process.stdin)
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError):
            status = self._process.wait()
            self._stderr.seek(0)
            sys.stderr.write(self._stderr.read().decode(errors="replace"))
            raise InputError(
                f"{self._directory}: this SavedModel could not be loaded or run where "
                "only tensorflow and tensorflow_text are imported; the reason stands "
                f"above. Exit status: {status}"
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
        self._process.kill()
        self._process.communicate()
        self._stderr.close()
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
