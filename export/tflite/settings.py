"""What can be asked for of a TFLite file, and what contradicts it."""

import dataclasses
from collections.abc import Sequence

from absl import logging

from bert_tf.errors import InputError
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from export.checkpoint import pretrained
from export.checkpoint.pretrained import TrainedModel
from export.tflite import lengths, metadata, text_input, text_writing
from export.tflite.quantizations import CALIBRATED


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is wanted of a TFLite file.

    Attributes:
        quantization: see `converter.convert`.
        calibration_data: what the task calls held-out data, but not that; for
            quantizations that need it.
        eval_data: held-out data to measure the file on; None to measure nothing.
        max_metric_drop: how much of the task's main metric the file may lose.
        max_examples: how many examples of each to use.
        keep_float: parts of names of weights that stay float32; None to find them if
            the file loses too much, and to keep none otherwise.
        allow_select_ops: see `converter.convert_float`.
        mediapipe: whether MediaPipe and the Task Library are to open the file.
        more_lengths: shorter lengths that the file is to take too, each in a signature
            of its own.
        text_input: whether the file is to take text, too; see `text_input`.
        report_dir: where a report on size, speed and memory goes; None for none.
    """

    quantization: str = "none"
    calibration_data: str | None = None
    eval_data: str | None = None
    max_metric_drop: float = 0.005
    max_examples: int = 512
    keep_float: Sequence[str] | None = None
    allow_select_ops: bool = False
    mediapipe: bool = False
    more_lengths: Sequence[int] = ()
    text_input: bool = False
    report_dir: str | None = None

    def simulates(self, trained: TrainedModel) -> bool:
        """Returns whether the file is the one that a checkpoint was trained for."""
        return bool(trained.ranges) and self.quantization == "int8"

    def calibrates(self, trained: TrainedModel) -> bool:
        """Returns whether the ranges of activations are found by examples."""
        return self.quantization in CALIBRATED and not self.simulates(trained)


def check(trained: TrainedModel, settings: Settings) -> None:
    """Checks that a checkpoint's file can be had as it is wanted.

    Args:
        trained: the checkpoint and its model.
        settings: what is wanted.

    Raises:
        InputError: it cannot.
    """
    if settings.mediapipe:
        metadata.check_opens(trained)
    if settings.text_input:
        text_input.check(trained, settings.mediapipe)
    lengths.check(settings.more_lengths, trained.max_seq_length, settings.mediapipe)
    if trained.ranges:
        _check_trained(trained, settings)
    writes = text_writing.writes(trained)
    if writes and (settings.more_lengths or settings.report_dir):
        raise InputError(
            "--more_lengths and --report_dir are for models that answer at once; a "
            "model that writes is called for each token. Leave them out."
        )
    if writes and settings.quantization in CALIBRATED:
        raise InputError(
            f"--quantization={settings.quantization}: a model that writes is not "
            "calibrated. dynamic_int8 needs no calibration."
        )
    scored = not writes or isinstance(trained.task, SequenceToSequenceTask)
    if settings.eval_data is not None and not scored:
        raise InputError(
            "--eval_data: what a language model writes is not measured. Leave it out."
        )
    if settings.calibrates(trained) and settings.calibration_data is None:
        raise InputError(
            f"--quantization={settings.quantization} needs --calibration_data: "
            "examples like those the model will see, a labelled file or records. "
            "dynamic_int8 needs none."
        )


def _check_trained(trained: TrainedModel, settings: Settings) -> None:
    """Refuses what contradicts quantization-aware training, and warns of the rest."""
    if settings.quantization == "int8":
        if settings.keep_float:
            raise InputError(
                "--keep_float: the checkpoint was trained for int8, with all weights "
                "rounded. Leave it out."
            )
        if settings.calibration_data:
            logging.info(
                "The checkpoint was trained for int8: its own ranges are used, and "
                "--calibration_data is not read."
            )
    elif settings.quantization == "int4":
        raise InputError(
            "--quantization=int4: the checkpoint was trained for int8, and rounding to "
            "int4 is not what it has learned. Export it with --quantization=int8."
        )
    else:
        pretrained.warn_of_int8_training(trained, f"a file of {settings.quantization}")
