"""TFLite files of `export.tflite.converter` in LiteRT."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.cli.quiet_tensorflow import held_back_stderr
from bert_tf.errors import InputError
from export.check.backends import Arrays, seconds_of_calls

TEXT_SIGNATURE = "serve_text"
"""Takes text; only where TensorFlow Text's operations are registered."""


class TFLiteBackend:
    """A TFLite file in LiteRT's interpreter, which takes one example a call.

    Args:
        path: the file.
        num_threads: threads the interpreter may use.

    Attributes:
        path: the file.
        texts: names of the texts that it takes, too; empty if it takes ids only.

    Raises:
        InputError: LiteRT is not installed, or this is no TFLite file of
            `export.export_tflite`, or one that writes.
        FileNotFoundError: no such file.
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int):
        interpreter = litert_interpreter()
        content = Path(path).read_bytes()
        try:
            self._interpreter = interpreter(
                model_content=content, num_threads=num_threads
            )
            self._run: Callable[..., Arrays] = self._interpreter.get_signature_runner(
                "serving_default"
            )
            listed = self._interpreter.get_signature_list()
            self.texts: list[str] = listed.get(TEXT_SIGNATURE, {}).get("inputs", [])
            self._lengths = {
                name: int(details["shape"][1])
                for name, details in self._run.get_input_details().items()
            }
            zeros = {
                name: np.zeros([1, length], np.int32)
                for name, length in self._lengths.items()
            }
            with held_back_stderr():  # LiteRT greets at the first call.
                self._run(**zeros)
        except (RuntimeError, ValueError) as error:
            raise _not_ours(path, error) from error
        self.path = os.fspath(path)

    def predict(self, batch: Arrays) -> Arrays:
        """Returns the logits of a batch, one example after the other.

        Raises:
            InputError: the examples are of another length than the file's.
        """
        self._check(batch)
        examples = range(len(batch["input_ids"]))
        rows = [
            self._run(**{name: value[i : i + 1] for name, value in batch.items()})
            for i in examples
        ]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def time_calls(self, example: Arrays, calls: int) -> list[float]:
        """Returns the seconds of each of `calls` predictions of a batch of one."""
        self._check(example)
        return seconds_of_calls(lambda: self._run(**example), calls)

    def _check(self, batch: Arrays) -> None:
        for name, length in self._lengths.items():
            if batch[name].shape[1] != length:
                raise InputError(
                    f"{self.path}: its input `{name}` is {length} long, but the "
                    f"examples' is {batch[name].shape[1]}. Export it with their "
                    "--max_seq_length."
                )


def signatures(path: str | os.PathLike[str]) -> dict[int, str]:
    """Returns the signature for each length of ids that a TFLite file takes.

    Args:
        path: the file.

    Raises:
        InputError: LiteRT is not installed, or this is no TFLite file of
            `export.export_tflite`, or one that writes.
        FileNotFoundError: no such file.
    """
    interpreter = litert_interpreter()
    content = Path(path).read_bytes()
    try:
        opened = interpreter(model_content=content)
        found = {}
        for name in opened.get_signature_list():
            if name == TEXT_SIGNATURE:
                continue
            inputs = opened.get_signature_runner(name).get_input_details()
            found[int(inputs["input_ids"]["shape"][1])] = name
    except (LookupError, RuntimeError, ValueError) as error:
        raise _not_ours(path, error) from error
    if not found:
        raise _not_ours(path, ValueError("no signatures"))
    return found


def _not_ours(path: str | os.PathLike[str], error: Exception) -> InputError:
    # LiteRT has a line for each of the operations that it cannot make.
    reason = str(error).partition("\n")[0]
    return InputError(
        f"{os.fspath(path)}: not a TFLite file of `python -m "
        f"export.export_tflite` that answers at once ({reason:.300})."
    )


def litert_interpreter() -> Any:
    """Returns LiteRT's class that runs files."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(
            "Running a TFLite file needs LiteRT: pip install 'bert-tf[mobile]'"
        ) from None
    return Interpreter
