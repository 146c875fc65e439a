"""From a checkpoint to a TFLite file that is as good as it was asked to be."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from bert_tf.errors import InputError
from export.check import tflite_weights, verification
from export.checkpoint import pretrained
from export.checkpoint.pretrained import TrainedModel
from export.tflite import (
    converter,
    cost_report,
    lengths,
    metadata,
    quantizer,
    sensitivity,
    text_input,
    text_writing,
    written_check,
)
from export.tflite.quantizations import CALIBRATED

SIMULATION_TOLERANCE = 0.1
"""How far an int8 file's outputs may be from those that training simulated, on average.

A sum right between two steps may go either way, and others with it, so that single
outputs are off by several times as much. Where outputs are int8 themselves, they may be
a step farther.
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is wanted of a TFLite file.

    Attributes:
        quantization: see `converter.convert`.
        calibration_data: what the task calls held-out data, but not that; for
            quantisations that need it.
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


@dataclasses.dataclass(frozen=True)
class Exported:
    """A TFLite file and what is known of it.

    Attributes:
        content: of the file.
        summary: what of it is quantised.
        measured: the table of its metrics; empty without held-out data.
        texts: names of the texts that it takes; empty if it takes ids only.
    """

    content: bytes
    summary: str
    measured: str
    texts: Sequence[str] = ()


def export(trained: TrainedModel, settings: Settings, scratch: Path) -> Exported:
    """Converts, quantises and measures.

    Args:
        trained: the checkpoint and its model.
        settings: what is wanted.
        scratch: a folder for what is needed meanwhile.

    Raises:
        InputError: data that does not fit, a name that no weight has, an operation
            that phones lack, or a file that loses too much.
    """
    if settings.mediapipe:
        metadata.check_opens(trained)
    texts = None
    if settings.text_input:
        text_input.check(trained, settings.mediapipe)
        texts = text_input.TextInput(trained)
    finished = texts.add if texts else bytes
    lengths.check(settings.more_lengths, trained.max_seq_length, settings.mediapipe)
    simulates = trained.ranges and settings.quantization == "int8"
    if trained.ranges:
        _check_trained(trained, settings)
    calibration: list[dict[str, np.ndarray]] = []
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
    if settings.quantization in CALIBRATED and not simulates:
        if settings.calibration_data is None:
            raise InputError(
                f"--quantization={settings.quantization} needs --calibration_data: "
                "examples like those the model will see, a labelled file or records. "
                "dynamic_int8 needs none."
            )
        calibration = read_inputs(trained, settings.calibration_data, 128)
    content = converter.convert_float(
        trained, allow_select_ops=settings.allow_select_ops, scratch_dir=scratch
    )
    kept = _named(content, settings.keep_float or ())
    if simulates:
        ranges = quantizer.trained_ranges(content, trained.ranges)
    else:
        ranges = quantizer.calibrate(content, settings.quantization, calibration)

    def quantize(keep_float: set[str], content: bytes = content) -> bytes:
        return quantizer.quantize(
            content,
            settings.quantization,
            ranges=ranges,
            keep_float=keep_float,
        )

    quantized = quantize(kept)
    if simulates:
        measured, failures = compare(trained, finished(quantized), settings, scratch)
    else:
        measured, failures = _measure(
            trained, content, finished(quantized), settings, scratch
        )
    search = settings.keep_float is None and settings.quantization != "none"
    if failures and search and not simulates and not writes:
        assert settings.eval_data is not None
        inputs = read_inputs(trained, settings.eval_data, 16)
        for kept in sensitivity.candidates(content, quantize, inputs):
            quantized = quantize(kept)
            table, failures = _measure(
                trained, content, finished(quantized), settings, scratch
            )
            measured += f"\nWith {len(kept)} weights left in float32:\n{table}"
            if not failures:
                break
    if failures:
        raise InputError(f"{measured}\nNo file was written. {' '.join(failures)}")
    summary = tflite_weights.summary(
        quantized,
        keep_float=kept,
        min_elements=quantizer.MIN_ELEMENTS,
    )
    quantized = finished(quantized)
    if settings.mediapipe:
        quantized = metadata.add(quantized, trained)
    if settings.more_lengths:
        others = {}
        for length in settings.more_lengths:
            shorter = dataclasses.replace(trained, max_seq_length=length)
            plain = converter.convert_float(
                shorter,
                allow_select_ops=settings.allow_select_ops,
                scratch_dir=scratch,
            )
            others[length] = quantize(kept, plain)
        quantized = lengths.join(quantized, others)
    if settings.report_dir is not None:
        kinds: dict[str, Callable[[bytes], bytes]] = {"float32": bytes}
        if settings.quantization != "none":
            kinds[settings.quantization] = functools.partial(quantize, kept)
        cost_report.write(trained, Path(settings.report_dir), kinds, scratch)
    return Exported(quantized, summary, measured, texts.names if texts else ())


def read_inputs(
    trained: TrainedModel, path: str, max_examples: int
) -> list[dict[str, np.ndarray]]:
    """Returns the first examples of a file or folder as a file's inputs, one each.

    Args:
        trained: whose inputs they are.
        path: what the task calls held-out data.
        max_examples: how many at most.
    """
    source = trained.task.open_held_out(path, trained.folder.vocabulary)
    count = source.num_positions(min(max_examples, source.num_examples))
    examples = verification.read_examples(trained, source, count, path)
    names = list(trained.task.input_lengths(1))
    return [
        {name: examples[name][row : row + 1].astype(np.int32) for name in names}
        for row in range(count)
    ]


def _measure(
    trained: TrainedModel,
    content: bytes,
    quantized: bytes,
    settings: Settings,
    scratch: Path,
) -> tuple[str, list[str]]:
    """Returns the table of float32 and quantised, and what is wrong with them."""
    if settings.eval_data is None:
        return "", []
    name = "float32" if settings.quantization == "none" else settings.quantization
    contents = {"float32": content, name: quantized}
    if text_writing.writes(trained):
        return written_check.measure(
            trained,
            contents,
            scratch,
            eval_data=settings.eval_data,
            max_examples=settings.max_examples,
            max_drop=settings.max_metric_drop,
        )
    report = _verify(trained, contents, settings.eval_data, settings, scratch)
    return verification.table(report, trained.task.shown), report["failures"]


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


def compare(
    trained: TrainedModel, quantized: bytes, settings: Settings, scratch: Path
) -> tuple[str, list[str]]:
    """Compares an int8 file with what training simulated; see `_measure`."""
    if settings.eval_data is None:
        return "", []
    report = _verify(
        pretrained.simulated(trained),
        {"int8": quantized},
        settings.eval_data,
        settings,
        scratch,
    )
    tolerance = SIMULATION_TOLERANCE
    if (scores := trained.ranges.get("output_weights")) is not None:
        tolerance += (scores.outputs.maximum - scores.outputs.minimum) / 255
    artifact = report["artifacts"][0]
    mean, largest = artifact["mean_abs_diff"], artifact["max_abs_diff"]
    failures = list(report["failures"])
    if not mean <= tolerance:
        failures.append(
            f"int8: its outputs differ from those that training simulated by {mean:g} "
            f"on average; at most {tolerance:g} is allowed."
        )
    lines = [
        verification.table(report, trained.task.shown),
        "Keras is the model as training simulated the file; the mean difference of "
        f"their outputs is {mean:.2e} (at most {tolerance:.2g}), the largest one "
        f"{largest:.2e}.",
    ]
    return "\n".join(lines), failures


def _verify(
    trained: TrainedModel,
    contents: Mapping[str, bytes],
    eval_data: str,
    settings: Settings,
    scratch: Path,
) -> dict[str, Any]:
    """Returns the report on files by name, with these names in place of paths."""
    paths = []
    for name, each in contents.items():
        paths.append(scratch / name)
        paths[-1].write_bytes(each)
    report = verification.verify(
        trained,
        eval_data,
        saved_model_dir=None,
        tflite_files=paths,
        texts=[],
        settings=verification.Settings(
            max_examples=settings.max_examples,
            max_drop=settings.max_metric_drop,
        ),
    )
    for path in paths:
        path.unlink()
    for artifact in report["artifacts"]:
        artifact["path"] = Path(artifact["path"]).name
    failures = [each.removeprefix(f"{scratch}/") for each in report["failures"]]
    return {**report, "failures": failures}


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
