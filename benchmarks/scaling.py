"""Measures weak scaling: one single-threaded worker, then two with twice the batch.

Each worker keeps its own share of the batch and one thread, so twice the sequences/s
would be perfect. Two workers that know nothing of each other show what the machine
allows; what is missing from theirs is the cost of adding up gradients.

    python -m benchmarks.scaling --train_dir=data/train

The workers run the job itself, over sockets on this machine; the figures are medians
of the rates that it logs, which leave out start-up and the first step.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from benchmarks.pretraining_job import job_arguments, read_metrics
from bert_tf.cli import jobs
from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.errors import InputError
from bert_tf.training.config import PretrainingConfig

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records to train on.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium, base or large.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Sequences a step and worker.")
_STEPS = flags.DEFINE_integer("steps", 40, "Steps of each run.")
_ROUNDS = flags.DEFINE_integer("rounds", 1, "Turns of each kind of run.")

_LOG_INTERVAL = 5
# Runs at the same time, and the workers of each.
_KINDS = {
    "one worker": (1, 1),
    "two workers apart": (2, 1),
    "two workers together": (1, 2),
}


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


def measure(runs: int, workers: int, folder: Path) -> list[float]:
    """Does so many runs at once, each of so many workers.

    Args:
        runs: runs that know nothing of each other.
        workers: of each.
        folder: takes a folder for each run.

    Returns:
        The sequences/s of all runs together, one for each log line.
    """
    launcher = ["bert_tf.launch_workers", f"--num_workers={workers}", "-m"]
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    folders = [folder / str(index) for index in range(runs)]
    processes = []
    for each in folders:
        each.mkdir()
        job = job_arguments(make_config(workers), each)
        command = [sys.executable, "-m", *(launcher if workers > 1 else []), *job]
        with open(each / "stderr", "wb") as errors:
            processes.append(
                subprocess.Popen(
                    command, env=environment, stdout=subprocess.DEVNULL, stderr=errors
                )
            )
    for process, each in zip(processes, folders, strict=True):
        if process.wait():
            lines = (each / "stderr").read_text(errors="replace").splitlines()
            last = lines[-1] if lines else f"exit status {process.returncode}"
            raise InputError(f"A run of {workers} worker(s) failed: {last}")
    rates = (
        [line["examples_per_second"] for line in read_metrics(each, "train")[1:]]
        for each in folders
    )
    return [sum(lines) for lines in zip(*rates, strict=True)]


def main(argv: Sequence[str]) -> None:
    """Prints the rates and their ratio."""
    del argv
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for _ in range(_ROUNDS.value):
        for kind, (runs, workers) in _KINDS.items():
            with tempfile.TemporaryDirectory() as folder:
                rates[kind] += measure(runs, workers, Path(folder))
    one = statistics.median(rates["one worker"])
    print(f"BERT-{_SIZE.value}, {_BATCH_SIZE.value} sequences a step and worker:")
    for kind, found in rates.items():
        median = statistics.median(found)
        print(
            f"{kind}: {median:.1f} sequences/s, {median / one:.2f} times one worker's "
            f"({len(found)} lines, {min(found):.1f} to {max(found):.1f})"
        )


def cli() -> None:
    """Starts the benchmark from a command line."""
    jobs.run(main, required=["train_dir"])


if __name__ == "__main__":
    cli()
