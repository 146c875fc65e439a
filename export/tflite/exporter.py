"""From a checkpoint to a TFLite file that is as good as it was asked to be."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bert_tf.errors import InputError
from export.check import tflite_weights
from export.checkpoint.pretrained import TrainedModel
from export.tflite import (
    accuracy_gate,
    converter,
    cost_report,
    lengths,
    metadata,
    quantizer,
    sensitivity,
    text_input,
    text_writing,
)
from export.tflite.inputs import read_inputs
from export.tflite.settings import Settings, check

# Takes the names of weights that stay float32, and a file in float32.
Quantize = Callable[[set[str], bytes], bytes]

_CALIBRATION_EXAMPLES = 128
_SENSITIVITY_EXAMPLES = 16


@dataclasses.dataclass(frozen=True)
class Exported:
    """A TFLite file and what is known of it.

    Attributes:
        content: of the file.
        summary: what of it is quantized.
        measured: the table of its metrics; empty without held-out data.
        texts: names of the texts that it takes; empty if it takes ids only.
    """

    content: bytes
    summary: str
    measured: str
    texts: Sequence[str] = ()


def export(trained: TrainedModel, settings: Settings, scratch: Path) -> Exported:
    """Converts, quantizes and measures.

    Args:
        trained: the checkpoint and its model.
        settings: what is wanted.
        scratch: a folder for what is needed meanwhile.

    Raises:
        InputError: data that does not fit, a name that no weight has, an operation
            that phones lack, or a file that loses too much.
        OSError: the report's folder cannot be made.
    """
    check(trained, settings)
    if settings.report_dir is not None:
        # Before the work, so that a folder that cannot be written is told at once.
        Path(settings.report_dir).mkdir(parents=True, exist_ok=True)
    calibration: list[dict[str, np.ndarray]] = []
    if settings.calibrates(trained):
        assert settings.calibration_data is not None
        calibration = read_inputs(
            trained, settings.calibration_data, _CALIBRATION_EXAMPLES
        )
    if settings.eval_data is not None:
        # Read again when there is a file: what cannot be scored is told at once.
        trained.task.open_held_out(settings.eval_data, trained.folder.vocabulary)
    content = _convert(trained, settings, scratch)
    if settings.simulates(trained):
        ranges = quantizer.trained_ranges(content, trained.ranges)
    else:
        ranges = quantizer.calibrate(content, settings.quantization, calibration)

    def quantize(keep_float: set[str], content: bytes) -> bytes:
        return quantizer.quantize(
            content, settings.quantization, ranges=ranges, keep_float=keep_float
        )

    texts = text_input.TextInput(trained) if settings.text_input else None
    finish = texts.add if texts else bytes
    kept, quantized, measured = _good_enough(
        trained, content, quantize, finish, settings, scratch
    )
    summary = tflite_weights.summary(
        quantized, keep_float=kept, min_elements=quantizer.MIN_ELEMENTS
    )
    quantized = finish(quantized)
    if settings.mediapipe:
        quantized = metadata.add(quantized, trained)
    if settings.more_lengths:
        others = {}
        for length in settings.more_lengths:
            shorter = dataclasses.replace(trained, max_seq_length=length)
            others[length] = quantize(kept, _convert(shorter, settings, scratch))
        quantized = lengths.join(quantized, others)
    if settings.report_dir is not None:
        kinds: dict[str, Callable[[bytes], bytes]] = {"float32": bytes}
        if settings.quantization != "none":
            kinds[settings.quantization] = functools.partial(quantize, kept)
        cost_report.write(trained, Path(settings.report_dir), kinds, scratch)
    return Exported(quantized, summary, measured, texts.names if texts else ())


def _convert(trained: TrainedModel, settings: Settings, scratch: Path) -> bytes:
    return converter.convert_float(
        trained, allow_select_ops=settings.allow_select_ops, scratch_dir=scratch
    )


def _good_enough(
    trained: TrainedModel,
    content: bytes,
    quantize: Quantize,
    finish: Callable[[bytes], bytes],
    settings: Settings,
    scratch: Path,
) -> tuple[set[str], bytes, str]:
    """Finds the weights that stay float32: those named, or else as few as will do.

    Args:
        trained: the checkpoint and its model.
        content: the file in float32.
        quantize: makes another one of it.
        finish: adds what only files that are measured need.
        settings: what is wanted.
        scratch: a folder for what is needed meanwhile.

    Returns:
        Their names, the file without what `finish` adds, and the tables of what was
        measured.

    Raises:
        InputError: no such file is good enough, or a name that no weight has.
    """

    def measure(quantized: bytes) -> tuple[str, list[str]]:
        return accuracy_gate.measure(
            trained, content, finish(quantized), settings, scratch
        )

    kept = _named(content, settings.keep_float or ())
    quantized = quantize(kept, content)
    measured, failures = measure(quantized)
    search = settings.keep_float is None and settings.quantization != "none"
    search = search and not settings.simulates(trained)
    if failures and search and not text_writing.writes(trained):
        assert settings.eval_data is not None
        inputs = read_inputs(trained, settings.eval_data, _SENSITIVITY_EXAMPLES)
        candidates = sensitivity.candidates(
            content, lambda kept: quantize(kept, content), inputs
        )
        for kept in candidates:
            quantized = quantize(kept, content)
            table, failures = measure(quantized)
            measured += f"\nWith {len(kept)} weights left in float32:\n{table}"
            if not failures:
                break
    if failures:
        raise InputError(f"{measured}\nNo file was written. {' '.join(failures)}")
    return kept, quantized, measured


def _named(content: bytes, parts: Sequence[str]) -> set[str]:
    """Returns the names of weights that have one of some parts in them."""
    names = {weight.name for weight in tflite_weights.weights(content)}
    found = set()
    for part in parts:
        matching = {name for name in names if part in name}
        if not matching:
            raise InputError(
                f"--keep_float: no weight has {part!r} in its name. There are: "
                f"{', '.join(sorted(names))}"
            )
        found |= matching
    return found
