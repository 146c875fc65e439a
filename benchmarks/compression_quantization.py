"""int8 files of a model that was trained for them, and of one that was not."""

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.compression_runs import Setting, describe
from benchmarks.job_process import run_job

_TRAINED, _TAUGHT = "int8, trained for it", "int8, trained for it with a teacher"


def measure(setting: Setting) -> None:
    """Trains on from the teacher with and without int8, and scores the files."""
    teacher = setting.teacher()
    on = {
        "init_from": teacher,
        "num_train_epochs": 1.0,
        "optimizer__learning_rate": 2e-5,
    }
    int8 = {"quantization__export": "int8", "hidden_dropout_prob": 0.0, **on}
    taught = {
        "distillation__teacher": teacher,
        "distillation__unlabelled": setting.unlabelled,
    }
    setting.scores("float", **on)
    setting.scores("int8", **int8)
    setting.scores("taught", **int8, **taught)
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in setting.seeds:
        for name, run, quantization in (
            ("float32", "float", "none"),
            ("int8, calibrated", "float", "int8"),
            (_TRAINED, "int8", "int8"),
            (_TAUGHT, "taught", "int8"),
        ):
            workdir = setting.workdir(run, seed)
            found.setdefault(name, []).append(_file(setting, workdir, quantization))
    print(f"{setting.task}, held-out {setting.metric} of the files, in hundredths")
    expected = statistics.fmean(each[setting.metric] for each in found["float32"])
    for name, files in found.items():
        scores = [each[setting.metric] for each in files]
        lost = 100 * (expected - statistics.fmean(scores))
        megabytes = files[0]["num_bytes"] / 1e6
        print(f"{name}: {describe(scores)}, {lost:.2f} lost, {megabytes:.1f} MB")
    trained = [*found[_TRAINED], *found[_TAUGHT]]
    mean = statistics.fmean(each["mean_abs_diff"] for each in trained)
    largest = max(each["max_abs_diff"] for each in trained)
    print(f"off from what training simulated: {mean:.3f}, at most {largest:.3f}")


def _file(setting: Setting, workdir: Path, quantization: str) -> dict[str, Any]:
    """Exports a run, and returns what `verify_export` says of the file."""
    file, report = workdir / f"{quantization}.tflite", workdir / f"{quantization}.json"
    data = setting.folder / "data"
    if not file.exists():
        run_job(
            "export.export_tflite",
            checkpoint=workdir,
            output_file=file,
            quantization=quantization,
            # Read by files that have no ranges of their own.
            calibration_data=next(data.glob("train.*")),
        )
    if not report.exists():
        run_job(
            "export.verify_export",
            checkpoint=workdir,
            tflite_file=file,
            eval_data=next(data.glob("eval.*")),
            max_examples=10_000,
            max_accuracy_drop=1.0,
            latency_calls=1,
            output_file=report,
        )
    (artifact,) = json.loads(report.read_text())["artifacts"]
    return dict(artifact)
