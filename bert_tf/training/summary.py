"""What a finished run leaves behind: `eval.json` and the report."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bert_tf.checkpoints.added_variables import ADDED
from bert_tf.checkpoints.workdir import best_path, run_name
from bert_tf.models import named_variables
from bert_tf.reporting import model_card, report
from bert_tf.storage.json_files import write_json
from bert_tf.tasks.task import Task
from bert_tf.training.loop import Run
from bert_tf.training.metrics_log import read_metrics
from bert_tf.training.run import Plan
from bert_tf.training.state import TrainingState

EVAL_FILE = "eval.json"
"""Written last: a workdir that has it holds a finished run."""

NOT_METRICS = ("step", "parameters", "train_examples", "seconds", "best_step")
"""What `eval.json` says beside metrics."""


def write(run: Run, plan: Plan) -> None:
    """Writes the files and prints what came of the run.

    Args:
        run: in the chief, at its end.
        plan: what it did.
    """
    workdir, seed = plan.workdir, plan.config.seed
    last = plan.phases[-1]
    evaluated = plan.phases[run.state.evaluation_phase]
    if evaluated.held_out and not run.state.evaluation:
        print(f"{workdir} was finished by an earlier version, and stays as it is.")
        return
    results: dict[str, Any] = {
        "step": run.state.step,
        "parameters": _num_parameters(run.model),
        "train_examples": last.train.description["examples"],
        "seconds": round(run.state.seconds, 1),
        "best_step": run.state.best_step,
        **run.state.evaluation,
        **evaluated.task.figures(run.model),
    }
    if evaluated.held_out:
        # Of the phase whose held-out examples were evaluated last.
        held_out = evaluated.held_out[0]
        results |= evaluated.task.baseline(evaluated.train, held_out, seed)
    devices = [device.name for device in tf.config.list_logical_devices()]
    written = report.write_report(
        workdir,
        f"Training report: {run_name(workdir)}",
        [
            report.values("Results", results),
            report.curves(read_metrics(workdir), last.task.charts),
            *(
                evaluated.task.sections(run.model, evaluated.held_out[0], seed)
                if evaluated.held_out
                else ()
            ),
            report.values("Hardware", report.hardware(devices)),
            report.values("Data", last.train.description),
            report.values("Configuration", dataclasses.asdict(plan.config)),
        ],
    )
    if evaluated.held_out and results["loss"] is None:
        print("The held-out loss is not finite: eval.json has null in its place.")
    elif evaluated.held_out:
        print(evaluated.task.conclusion(results))
        _print_best(run.state, evaluated.task, workdir)
    if last.task.name != "pretraining":
        write_model_card(workdir, last.task, plan.origin, results)
    write_json(workdir / EVAL_FILE, results)
    print(f"Wrote {workdir / EVAL_FILE} and {written}.")


def _print_best(state: TrainingState, task: Task, workdir: Path) -> None:
    """Says so where an earlier checkpoint of the phase was better than the newest."""
    if state.best_value is None or state.best_step == state.step:
        return
    print(
        f"Step {state.best_step} was better, {task.best.metric} "
        f"{state.best_value:.4f}: {best_path(workdir)}. The workdir itself stands for "
        "its newest checkpoint."
    )


def _num_parameters(model: keras.Model) -> int:
    """Returns how many there are but for those that leave with training."""
    return sum(
        math.prod(variable.shape)
        for name, variable in named_variables(model).items()
        if not name.startswith(ADDED)
    )


def write_model_card(
    workdir: Path,
    task: Task,
    origin: str,
    results: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> None:
    """Writes the model card of a workdir.

    Args:
        workdir: of the run.
        task: what was learned.
        origin: what the model was trained on, as a sentence.
        results: what `eval.json` says.
        notes: further limits, a sentence each.
    """
    model_card.write(
        workdir / model_card.FILE_NAME,
        task.description,
        name=run_name(workdir),
        origin=f"{origin} `config.json` and `report.md` beside this file say how.",
        metrics=model_card.shown_metrics(task.shown, results),
        command="python -m bert_tf.run_finetuning, with the settings of config.json",
        notes=notes,
    )
