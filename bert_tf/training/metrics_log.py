"""What a run says while it runs: `metrics.jsonl`, TensorBoard, a progress line.

Nothing is computed from these files: what a run needs to go on, and its result, are
part of its checkpoints.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
from absl import logging
from tqdm import tqdm

from bert_tf.storage import files
from bert_tf.storage.json_files import finite_values
from bert_tf.storage.tfrecord import frame

FILE_NAME = "metrics.jsonl"


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """Returns the lines of a workdir's `metrics.jsonl`.

    A half-written last line is left out, and so is, with a warning, any other that is
    none of ours.
    """
    path = workdir / FILE_NAME
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1].splitlines()
    lines = [values for values in map(_parse, whole) if values is not None]
    if len(lines) < len(whole):
        logging.warning(
            "%s: %d of its %d lines are damaged and left out. The curves of the report "
            "miss them; the run itself does not need them.",
            path,
            len(whole) - len(lines),
            len(whole),
        )
    return lines


class MetricsLog:
    """Writes a run's numbers as they come. Only the chief has one.

    Args:
        workdir: holds `metrics.jsonl` and `tensorboard/`.
        step: the step from which the run goes on; later lines, of steps that a killed
            run had done and this one does again, are dropped.
        num_train_steps: the run's last step.

    Raises:
        OSError: the disk is full; names the file, as every method does.
    """

    def __init__(self, workdir: Path, step: int, num_train_steps: int) -> None:
        kept = [line for line in read_metrics(workdir) if line["step"] <= step]
        path = workdir / FILE_NAME
        files.write_text(path, "".join(map(_line, kept)))
        self._lines = files.Appender(path)
        self._events = files.Appender(_events_path(workdir / "tensorboard"))
        self._events.write(_event(step, file_version="brain.Event:2"))
        self._bar = tqdm(
            total=num_train_steps, initial=step, unit=" steps", mininterval=1
        )

    def write(self, split: str, step: int, values: Mapping[str, float | None]) -> None:
        """Writes one line.

        Args:
            split: `train` or `eval`.
            step: steps done.
            values: name -> number; null is written where it is not finite.
        """
        numbers = finite_values(values)
        self._lines.write(_line({"split": split, "step": step, **numbers}).encode())
        scalars = {f"{split}/{n}": v for n, v in numbers.items() if v is not None}
        self._events.write(_event(step, summary=_summary(scalars)))

    def show(self, step: int, text: str) -> None:
        """Moves the progress line."""
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(step - self._bar.n)

    def say(self, text: str) -> None:
        """Prints a line above the progress line."""
        self._bar.write(text)

    def sync(self) -> None:
        """Forces what was written to disk, before a checkpoint that goes on from it."""
        self._lines.sync()
        self._events.sync()

    def close(self) -> None:
        """Closes the files and the line."""
        self._bar.close()
        self._lines.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, allow_nan=False) + "\n"


def _parse(line: str) -> dict[str, Any] | None:
    """Returns a line's values, or None if it is none of ours."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.get("split") not in ("train", "eval"):
        return None
    numbers = [value for name, value in values.items() if name != "split"]
    right = all(type(v) in (int, float) or v is None for v in numbers)
    return values if right and type(values.get("step")) is int else None


def _events_path(directory: Path) -> Path:
    """Returns a new file of a name that TensorBoard looks for."""
    directory.mkdir(exist_ok=True)
    name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
    return directory / name


def _event(step: int, **what: Any) -> bytes:
    """Returns a record of TensorBoard's, framed."""
    event = tf.compat.v1.Event(wall_time=time.time(), step=step, **what)
    return frame(event.SerializeToString())


def _summary(scalars: Mapping[str, float]) -> tf.compat.v1.Summary:
    # `tf.summary` would write in a thread, and tell of a full disk by an error that
    # means too little memory elsewhere.
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
        data_class=1,  # DATA_CLASS_SCALAR
    )
    return tf.compat.v1.Summary(
        value=[
            tf.compat.v1.Summary.Value(
                tag=tag,
                metadata=metadata,
                tensor=tf.make_tensor_proto(value, tf.float32),
            )
            for tag, value in scalars.items()
        ]
    )
