"""Several fine-tuning runs in one workdir: seeds, learning rates, numbers of epochs.

    runs/seed-12345/   a run, in a workdir of its own
    sweep.json         what came of each run, means and spreads; the best one
    checkpoints        a link to those of the best run, so that the workdir is opened
                       as that of any run is

The runs share what was read and tokenized, and nothing else: each is what it would be
alone. A run that is finished is not done again.
"""

import os
from pathlib import Path

from absl import logging

from bert_tf.checkpoints.workdir import CHECKPOINTS, run_name
from bert_tf.reporting import report
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.training import finetuning, run_folder, summary
from bert_tf.training.finetuning import Inputs
from bert_tf.training.finetuning_config import FinetuningConfig
from bert_tf.training.loop import LossNotFinite
from bert_tf.training.preemption import PREEMPTED
from bert_tf.training.run_comparison import (
    SWEEP_FILE,
    Comparison,
    RunResult,
    plain_text,
)


def train_and_evaluate(config: FinetuningConfig, workdir: Path) -> Comparison:
    """Trains all runs, or goes on with them, and compares them.

    A run whose loss is no longer finite has no result; the others go on.

    Args:
        config: validated, of several runs.
        workdir: locked; holds these runs already, or nothing.

    Raises:
        InputError: data, checkpoint or workdir don't fit the configuration, or no run
            came to its end; see also `run.train_and_evaluate`.
        SystemExit: SIGTERM came, and the state is saved.
    """
    inputs = finetuning.open_inputs(config, workdir)
    configs = config.runs()
    results = []
    for number, run_config in enumerate(configs, start=1):
        setting = _setting(config, run_config)
        name = _name(setting, run_config.seed)
        folder = workdir / "runs" / name
        print(f"Run {number} of {len(configs)}: {name}", flush=True)
        error = ""
        if not (folder / summary.EVAL_FILE).is_file():
            last = number == len(configs)
            error = _train(run_config, folder, inputs, others_follow=not last)
        metrics = {} if error else _metrics(folder)
        results.append(RunResult(name, setting, run_config.seed, metrics, error))
    best = inputs.task.best
    comparison = Comparison.of(results, best.metric, best.higher_is_better)
    _write(comparison, config, workdir, inputs)
    return comparison


def _setting(config: FinetuningConfig, run: FinetuningConfig) -> dict[str, float]:
    """Returns what a run has of the settings that are compared."""
    compared = {
        "learning_rate": (config.sweep.learning_rates, run.optimizer.learning_rate),
        "num_train_epochs": (config.sweep.num_train_epochs, run.num_train_epochs),
    }
    return {name: value for name, (values, value) in compared.items() if values}


def _name(setting: dict[str, float], seed: int) -> str:
    parts = [f"{name}-{value!r}" for name, value in setting.items()]
    return "-".join([*parts, f"seed-{seed}"])


def _train(
    config: FinetuningConfig, folder: Path, inputs: Inputs, *, others_follow: bool
) -> str:
    """Trains a run to its end; returns why there is none, or nothing."""
    with run_folder.lock_run_folder(folder, config):
        run_folder.describe_run(folder, config, inputs.fingerprints)
        try:
            finished = finetuning.train(config, folder, inputs)
        except LossNotFinite as error:
            logging.warning("%s", error)
            return str(error)
    # The run came to its end before it looked; the next one would not know.
    if finished.preemption.requested and others_follow:
        raise SystemExit(PREEMPTED)
    return ""


def _metrics(folder: Path) -> dict[str, float | None]:
    results = read_json(folder / summary.EVAL_FILE)
    return {
        name: value
        for name, value in results.items()
        if name not in summary.NOT_METRICS
    }


def _write(
    comparison: Comparison, config: FinetuningConfig, workdir: Path, inputs: Inputs
) -> None:
    best = comparison.best_run
    results = read_json(workdir / "runs" / best.name / summary.EVAL_FILE)
    _link(workdir, best.name)
    write_json(workdir / SWEEP_FILE, comparison.to_dict())
    written = report.write_report(
        workdir,
        f"Comparison of runs: {run_name(workdir)}",
        [
            *comparison.sections(),
            report.values("Data", inputs.train.description),
            report.values("Configuration", config.to_dict()),
        ],
    )
    summary.write_model_card(
        workdir,
        inputs.task,
        finetuning.describe_origin(config, inputs.train),
        results,
        notes=[comparison.note],
    )
    write_json(workdir / summary.EVAL_FILE, results)
    print("\n\n".join(map(plain_text, comparison.tables())))
    print(
        f"\nThe best run is {best.name}: {comparison.metric} "
        f"{best.metrics[comparison.metric]:.4f}. {comparison.note}"
    )
    print(f"Wrote {workdir / SWEEP_FILE} and {written}.")


def _link(workdir: Path, name: str) -> None:
    """Has a workdir's checkpoints be those of a run, in one atomic move."""
    temporary = workdir / ".checkpoints"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path("runs") / name / CHECKPOINTS)
    os.replace(temporary, workdir / CHECKPOINTS)
