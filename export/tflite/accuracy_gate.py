"""Whether a TFLite file is as good as its model, on held-out data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.check import verification
from export.checkpoint import pretrained
from export.checkpoint.pretrained import TrainedModel
from export.tflite import text_writing, written_check
from export.tflite.settings import Settings

SIMULATION_TOLERANCE = 0.1
"""How far an int8 file's outputs may be from those that training simulated, on average.

A sum right between two steps may go either way, and others with it, so that single
outputs are off by several times as much. Where outputs are int8 themselves, they may be
a step farther.
"""


def measure(
    trained: TrainedModel,
    content: bytes,
    quantized: bytes,
    settings: Settings,
    scratch: Path,
) -> tuple[str, list[str]]:
    """Measures a file on held-out data.

    Args:
        trained: the checkpoint and its model.
        content: the file in float32.
        quantized: the file.
        settings: what is wanted of it.
        scratch: a folder for what is needed meanwhile.

    Returns:
        A table, and a sentence for whatever is wrong; both empty without held-out data.
    """
    if settings.eval_data is None:
        return "", []
    if settings.simulates(trained):
        return _compare(trained, quantized, settings.eval_data, settings, scratch)
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


def _compare(
    trained: TrainedModel,
    quantized: bytes,
    eval_data: str,
    settings: Settings,
    scratch: Path,
) -> tuple[str, list[str]]:
    """Compares an int8 file with what training simulated; see `measure`."""
    simulated = pretrained.simulated(trained)
    report = _verify(simulated, {"int8": quantized}, eval_data, settings, scratch)
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
