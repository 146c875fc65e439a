"""How large exported files are, how fast, and what memory they take."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError
from bert_tf.storage.wildcards import without_wildcards
from export.check import litert
from export.check.backends import check_saved_model

CALLS = 30
"""Timed calls with one example."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """What calls with one example take.

    Attributes:
        length: tokens of the example.
        num_threads: that the runtime may use.
        best_ms: milliseconds of the fastest call: what else a machine does only adds.
        median_ms: of the median call.
        first_ms: from opening the file to its first answer.
        memory_mb: what the process grew by at most, the file's own pages included.
    """

    length: int
    num_threads: int
    best_ms: float
    median_ms: float
    first_ms: float
    memory_mb: float


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The figures of an exported file.

    Attributes:
        path: of the file or folder.
        num_bytes: of all of it.
        timings: for each length, each number of threads.
    """

    path: str
    num_bytes: int
    timings: tuple[Timing, ...]

    def timing(self, length: int, num_threads: int) -> Timing:
        """Returns the timing of one length and number of threads."""
        return next(
            each
            for each in self.timings
            if (each.length, each.num_threads) == (length, num_threads)
        )


def measure_tflite(
    path: str | os.PathLike[str],
    lengths: Sequence[int] | None = None,
    threads: Sequence[int] = (1, 2),
    *,
    calls: int = CALLS,
) -> Measurement:
    """Measures a TFLite file of `export.tflite.converter`.

    Each pair of length and threads has a process of its own that imports LiteRT only.

    Args:
        path: the file.
        lengths: tokens of an example, each one that the file has a signature for; None
            for all of those.
        threads: numbers of threads.
        calls: timed calls of each pair.

    Raises:
        InputError: no such file, no file of ours, or a length that it does not take.
    """
    signatures = litert.signatures(path)
    lengths = sorted(signatures) if lengths is None else lengths
    for length in lengths:
        if length not in signatures:
            taken = ", ".join(map(str, sorted(signatures)))
            raise InputError(
                f"{os.fspath(path)}: it takes examples of {taken} tokens. Received: "
                f"{length}. Export it with that length."
            )
    return Measurement(
        os.fspath(path),
        num_bytes(path),
        tuple(
            _timing("tflite", path, signatures[length], length, number, calls)
            for length in lengths
            for number in threads
        ),
    )


def measure_saved_model(
    directory: str | os.PathLike[str],
    lengths: Sequence[int],
    threads: Sequence[int] = (1, 2),
    *,
    calls: int = CALLS,
) -> Measurement:
    """Measures `serve_ids` of a SavedModel of `export.export_saved_model`.

    Each pair of length and threads has a process of its own that imports TensorFlow and
    TensorFlow Text only.

    Args:
        directory: the SavedModel.
        lengths: tokens of an example, at most the model's positions.
        threads: numbers of threads for an operation.
        calls: timed calls of each pair.

    Raises:
        InputError: no SavedModel of ours, or a length that it does not take.
    """
    check_saved_model(directory)
    with without_wildcards(Path(directory)) as readable:
        timings = tuple(
            _timing("saved_model", readable, "serve_ids", length, number, calls)
            for length in lengths
            for number in threads
        )
    return Measurement(os.fspath(directory), num_bytes(directory), timings)


def measure_in_turns(
    *,
    tflite_files: Sequence[str | os.PathLike[str]],
    saved_model_dirs: Sequence[str | os.PathLike[str]],
    length: int,
    num_threads: int,
    rounds: int = 3,
    calls: int = CALLS,
) -> list[Measurement]:
    """Measures files side by side, so that a busy machine slows all of them.

    Args:
        tflite_files: see `measure_tflite`.
        saved_model_dirs: see `measure_saved_model`.
        length: tokens of the example.
        num_threads: that the runtime may use.
        rounds: how often each of them has its turn.
        calls: timed calls of a turn.

    Returns:
        A measurement of each, TFLite files first, with one timing: that of the round
        with the fastest call.

    Raises:
        InputError: see the other two.
    """
    turns: list[list[Measurement]] = []
    for _ in range(rounds):
        turns.append(
            [
                measure(path, [length], [num_threads], calls=calls)
                for measure, paths in (
                    (measure_tflite, tflite_files),
                    (measure_saved_model, saved_model_dirs),
                )
                for path in paths
            ]
        )
    return [
        min(of_one, key=lambda each: each.timings[0].best_ms)
        for of_one in zip(*turns, strict=True)
    ]


def num_bytes(path: str | os.PathLike[str]) -> int:
    """Returns the size of a file, or of all files of a folder."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def _timing(
    kind: str,
    path: str | os.PathLike[str],
    signature: str,
    length: int,
    num_threads: int,
    calls: int,
) -> Timing:
    # `-P` keeps our package from the child's path: the file has to do without it.
    script = Path(__file__).with_name("measured_process.py")
    settings = map(str, (length, num_threads, calls))
    done = subprocess.run(
        [sys.executable, "-P", script, kind, path, signature, *settings],
        capture_output=True,
        text=True,
    )
    answer: Any = json.loads(done.stdout) if done.returncode == 0 else done.stderr
    if isinstance(answer, str):
        raise InputError(
            f"{os.fspath(path)}: {signature} with {length} tokens and {num_threads} "
            f"threads: {answer.strip()}"
        )
    return Timing(
        length=length,
        num_threads=num_threads,
        best_ms=1000 * min(answer["seconds"]),
        median_ms=1000 * statistics.median(answer["seconds"]),
        first_ms=1000 * answer["first_seconds"],
        memory_mb=answer["memory_bytes"] / 1e6,
    )
