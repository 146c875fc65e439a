"""Measures weak scaling: one single-threaded worker, then two with twice the batch.

Each worker keeps its own share of the batch and one thread, so twice the sequences/s
would be perfect; what is missing is the cost of adding up gradients.

    python -m benchmarks.scaling --train_dir=data/train

The workers run the job itself, over sockets on this machine; the figure is the median
of the rates that it logs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf import jobs
from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.dataset_info import DatasetInfo
from bert_tf.training.config import PretrainingConfig, to_json

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records to train on.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium, base or large.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Sequences a step and worker.")
_STEPS = flags.DEFINE_integer("steps", 60, "Steps of each run.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Turns of each number of workers.")

_LOG_INTERVAL = 10
_CONFIG_FILE = """from bert_tf.json_files import from_dict, read_json
from bert_tf.training.config import PretrainingConfig


def get_config():
    return from_dict(PretrainingConfig, read_json({path!r}), "benchmark")
"""


def make_config(workers: int) -> PretrainingConfig:
    """Returns the run of so many workers."""
    directory = str(_TRAIN_DIR.value)
    parameters = DatasetInfo.load(directory).parameters
    return PretrainingConfig(
        model=model_config(_SIZE.value, vocab_size=0),
        data=DataConfig(
            train_dir=directory,
            max_seq_length=parameters.max_seq_length,
            max_predictions_per_seq=parameters.max_predictions_per_seq,
            global_batch_size=_BATCH_SIZE.value * workers,
        ),
        optimizer=OptimizerConfig(warmup_steps=10),
        num_train_steps=_STEPS.value,
        strategy="multi_worker" if workers > 1 else "default",
        log_interval=_LOG_INTERVAL,
        checkpoint_interval=_STEPS.value,
    )


def measure(workers: int, folder: Path) -> list[float]:
    """Runs the job and returns the sequences/s of each of its log lines."""
    values = folder / "config.json"
    values.write_text(to_json(make_config(workers)), encoding="utf-8")
    config = folder / "config.py"
    config.write_text(_CONFIG_FILE.format(path=str(values)), encoding="utf-8")
    launcher = ["bert_tf.launch_workers", f"--num_workers={workers}", "-m"]
    job = [
        "bert_tf.run_pretraining",
        f"--config={config}",
        f"--workdir={folder / 'run'}",
    ]
    subprocess.run(
        [sys.executable, "-m", *(launcher if workers > 1 else []), *job],
        env={
            **os.environ,
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lines = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rates = [json.loads(line).get("examples_per_second") for line in lines]
    return [rate for rate in rates if rate is not None]


def main(argv: Sequence[str]) -> None:
    """Prints the rates and their ratio."""
    del argv
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(_ROUNDS.value):
        for workers, found in rates.items():
            with tempfile.TemporaryDirectory() as folder:
                found += measure(workers, Path(folder))
    medians = {workers: statistics.median(found) for workers, found in rates.items()}
    for workers, found in rates.items():
        print(
            f"{workers} worker(s): median {medians[workers]:.1f} sequences/s of "
            f"{len(found)} lines, {min(found):.1f} to {max(found):.1f}"
        )
    print(f"Two workers do {medians[2] / medians[1]:.2f} times what one does.")


def cli() -> None:
    """Starts the benchmark from a command line."""
    jobs.run(main, required=["train_dir"])


if __name__ == "__main__":
    cli()
