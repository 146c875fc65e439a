"""In what a SavedModel computes its products, and whether that may be shipped.

bfloat16 halves the file and, where the processor multiplies it, the time of the
products. It changes the answers a little: how much is measured on held-out examples,
and without such examples nothing but float32 is written.
"""

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.models import assign_variables
from bert_tf.storage.json_files import read_json, write_json
from export.check import verification
from export.checkpoint.pretrained import TrainedModel
from export.saved_model.inference_weights import InferenceWeights
from export.saved_model.saving import EXTRA_ASSETS

FLAGS_FILE = "/proc/cpuinfo"

_WORTHWHILE = 1.1
"""So many times faster bfloat16 must be before `auto` takes it."""


@dataclasses.dataclass(frozen=True)
class Precision:
    """What was chosen.

    Attributes:
        name: `float32` or `bfloat16`.
        reason: why, for `export.json`.
    """

    name: str
    reason: str


def choose(requested: str, trained: TrainedModel, *, has_eval_data: bool) -> Precision:
    """Decides in what a model is exported.

    Args:
        requested: what `precision_request.check` let pass.
        trained: the checkpoint and its model, in float32.
        has_eval_data: whether the loss of accuracy can be measured.
    """
    if requested != "auto":
        return Precision(requested, "requested")
    if not has_eval_data:
        return Precision("float32", "no held-out examples to measure bfloat16 on")
    if not multiplies_bfloat16():
        return Precision("float32", "this processor does not multiply bfloat16")
    return fastest(
        {
            "float32": seconds_per_batch(trained),
            "bfloat16": seconds_per_batch(converted(trained, "bfloat16")),
        }
    )


def fastest(seconds: Mapping[str, float]) -> Precision:
    """Returns bfloat16 if it is faster by enough.

    Args:
        seconds: of a batch, by precision.
    """
    shown = ", ".join(f"{name} {1000 * t:.1f} ms" for name, t in seconds.items())
    won = seconds["float32"] > _WORTHWHILE * seconds["bfloat16"]
    return Precision(
        "bfloat16" if won else "float32", f"a batch took on this processor: {shown}"
    )


def multiplies_bfloat16(flags_file: str = FLAGS_FILE) -> bool:
    """Returns whether the processor has instructions for products in bfloat16.

    Args:
        flags_file: Linux's description of the processor; without one, the answer is
            no.
    """
    try:
        with open(flags_file) as file:
            words = set(file.read().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def converted(trained: TrainedModel, name: str) -> TrainedModel:
    """Returns a checkpoint with its model in another precision."""
    if name == "float32":
        return trained
    model = trained.task.create_model(trained.folder.config, dtype=f"mixed_{name}")
    assign_variables(model, trained.folder.variables)
    return dataclasses.replace(trained, model=model)


def seconds_per_batch(trained: TrainedModel, batch_size: int = 8) -> float:
    """Returns the least time of a few batches of the model's longest inputs."""
    endpoint = trained.task.serve_ids(trained.model)
    weights = InferenceWeights(trained.model)
    lengths = trained.task.input_lengths(trained.max_seq_length)
    batch = {
        name: tf.constant(np.full([batch_size, length], name == "input_mask", np.int32))
        for name, length in lengths.items()
    }

    @tf.function(autograph=False)
    def run(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        with weights.scope():
            return endpoint.function(batch)

    run(batch)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for value in run(batch).values():
            value.numpy()
        times.append(time.perf_counter() - start)
    return min(times)


def check_accuracy(
    saved_model_dir: str | os.PathLike[str],
    trained: TrainedModel,
    eval_data: str,
    max_drop: float,
) -> dict[str, Any]:
    """Compares an export with its checkpoint on held-out examples.

    Args:
        saved_model_dir: the export, before it stands where a server looks.
        trained: the checkpoint and its model, in float32.
        eval_data: what the task calls held-out data.
        max_drop: how much of the task's main metric the export may lose.

    Returns:
        What was measured, which `export.json` says from then on.

    Raises:
        InputError: it loses more.
    """
    report = verification.verify(
        trained,
        eval_data,
        saved_model_dir=saved_model_dir,
        tflite_files=[],
        texts=[],
        settings=verification.Settings(latency_calls=1),
    )
    metric = trained.task.quality
    expected, found = report["keras"][metric], report["artifacts"][0][metric]
    if not expected - found <= max_drop:
        raise InputError(
            f"{metric} on {eval_data} is {found:.4f}, {expected - found:.4f} below the "
            f"checkpoint's {expected:.4f}; --max_metric_drop allows {max_drop:g}. "
            "Nothing was written: export with --precision=float32."
        )
    measured = {
        "metric": metric,
        "checkpoint": expected,
        "export": found,
        "num_examples": report["num_examples"],
        "eval_data": eval_data,
    }
    described = Path(saved_model_dir) / EXTRA_ASSETS / "export.json"
    write_json(described, {**read_json(described), "held_out": measured})
    return measured
