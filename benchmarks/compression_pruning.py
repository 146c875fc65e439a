"""Pruning: half the heads and neurons for twice the speed, and 15 % of the weights."""

import json
from pathlib import Path
from typing import Any

from benchmarks.compression_runs import Setting, describe
from benchmarks.job_process import run_job

_KEEP = {"keep_heads": 0.5, "keep_neurons": 0.5}
_LENGTH = 128


def measure_structure(setting: Setting) -> None:
    """Prunes a teacher to half, lets it recover with and without it, and times both."""
    teacher = setting.teacher()
    whole = float(setting.run("teacher", 0)[setting.metric])
    pruned = setting.folder / "half"
    if not pruned.exists():
        data = next((setting.folder / "data").glob("train.*"))
        run_job(
            "bert_tf.prune_model",
            checkpoint=teacher,
            input_file=data,
            output_dir=pruned,
            **_KEEP,
        )
    training: dict[str, Any] = {
        "init_from": pruned,
        "num_train_epochs": 3.0,
        "optimizer__learning_rate": 1e-4,
    }
    alone = setting.scores("half-alone", **training)
    distilled = setting.scores(
        "half-distilled",
        distillation__teacher=teacher,
        distillation__unlabelled=setting.unlabelled,
        **training,
    )
    files = []
    for name, checkpoint in (("teacher", teacher), ("half", pruned)):
        files.append(setting.folder / f"{name}.tflite")
        if not files[-1].exists():
            run_job(
                "export.export_tflite",
                checkpoint=checkpoint,
                output_file=files[-1],
                max_seq_length=_LENGTH,
            )
    times, sizes = _latencies(files, setting.folder / "latency.json")
    print(f"{setting.task}, held-out {setting.metric}, in hundredths")
    print(f"teacher: {100 * whole:.2f}")
    print(f"half the heads and neurons, fine-tuned: {describe(alone)}")
    print(f"the same, distilled from the teacher: {describe(distilled)}")
    print(
        f"LiteRT, {_LENGTH} tokens: {times[0]:.2f} and {times[1]:.2f} ms, "
        f"{times[0] / times[1]:.2f} times as fast; {sizes[0] / 1e6:.1f} and "
        f"{sizes[1] / 1e6:.1f} MB"
    )


def measure_weights(setting: Setting) -> None:
    """Leaves 15 % of the encoder's weights, by movement and by magnitude."""
    found = {
        method: setting.scores(
            f"15-percent-{method}",
            init_from=setting.model,
            num_train_epochs=6.0,
            optimizer__learning_rate=1e-4,
            pruning__method=method,
            pruning__final_sparsity=0.85,
        )
        for method in ("movement", "magnitude")
    }
    print(f"{setting.task}, held-out {setting.metric}, in hundredths")
    for method, scores in found.items():
        print(f"15 % of the weights, by {method}: {describe(scores)}")


def _latencies(files: list[Path], report: Path) -> tuple[list[float], list[int]]:
    """Measures files in turns: milliseconds of the fastest calls, and bytes."""
    run_job(
        "export.measure_export",
        *(f"--tflite_file={file}" for file in files),
        max_seq_length=_LENGTH,
        output_file=report,
    )
    measured = json.loads(report.read_text())["files"]
    return [m["best_ms"] for m in measured], [m["num_bytes"] for m in measured]
