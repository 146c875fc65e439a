"""What a run says while it runs: `metrics.jsonl`, TensorBoard, a progress line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
from tqdm import tqdm

from bert_tf.storage import files

FILE_NAME = "metrics.jsonl"


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """Returns the lines of a workdir's `metrics.jsonl`, without a half-written last."""
    path = workdir / FILE_NAME
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


class MetricsLog:
    """Writes a run's numbers as they come. Only the chief has one.

    Args:
        workdir: holds `metrics.jsonl` and `tensorboard/`.
        step: the step from which the run goes on; later lines, of steps that a killed
            run had done and this one does again, are dropped.
        num_train_steps: the run's last step.
    """

    def __init__(self, workdir: Path, step: int, num_train_steps: int) -> None:
        kept = [line for line in read_metrics(workdir) if line["step"] <= step]
        path = workdir / FILE_NAME
        files.write_text(path, "".join(map(_line, kept)))
        self._file = path.open("a", encoding="utf-8")
        self._writer = tf.summary.create_file_writer(str(workdir / "tensorboard"))
        self._bar = tqdm(
            total=num_train_steps, initial=step, unit=" steps", mininterval=1
        )

    def write(self, split: str, step: int, values: Mapping[str, float]) -> None:
        """Writes one line.

        Args:
            split: `train` or `eval`.
            step: steps done.
            values: name -> number.
        """
        self._file.write(_line({"split": split, "step": step, **values}))
        self._file.flush()
        with self._writer.as_default():
            for name, value in values.items():
                _write_scalar(f"{split}/{name}", value, step)

    def show(self, step: int, text: str) -> None:
        """Moves the progress line."""
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(step - self._bar.n)

    def say(self, text: str) -> None:
        """Prints a line above the progress line."""
        self._bar.write(text)

    def close(self) -> None:
        """Closes the files and the line."""
        self._bar.close()
        self._file.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values) + "\n"


def _write_scalar(tag: str, value: float, step: int) -> None:
    # `tf.summary.scalar` needs the tensorboard package; the event format does not.
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
        data_class=1,  # DATA_CLASS_SCALAR
    )
    tf.summary.write(tag, tf.constant(value, tf.float32), step, metadata)
