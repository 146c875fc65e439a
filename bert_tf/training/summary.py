"""What a finished run leaves behind: `eval.json` and the report."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_tf.reporting import model_card, report
from bert_tf.storage.json_files import write_json
from bert_tf.training.loop import Run
from bert_tf.training.metrics_log import read_metrics
from bert_tf.training.run import Plan

EVAL_FILE = "eval.json"


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
        "parameters": int(run.model.count_params()),
        "train_examples": last.train.num_examples,
        "seconds": round(run.state.seconds, 1),
        "best_step": run.state.best_step,
        **run.state.evaluation,
    }
    if evaluated.held_out:
        # Of the phase whose held-out examples were evaluated last.
        held_out = evaluated.held_out[0]
        results |= evaluated.task.baseline(evaluated.train, held_out, seed)
    write_json(workdir / EVAL_FILE, results)
    devices = [device.name for device in tf.config.list_logical_devices()]
    written = report.write_report(
        workdir,
        f"Training report: {workdir.name}",
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
    if last.task.name != "pretraining":
        _write_model_card(plan, results)
    print(f"Wrote {workdir / EVAL_FILE} and {written}.")


def _write_model_card(plan: Plan, results: Mapping[str, Any]) -> None:
    task = plan.phases[-1].task
    model_card.write(
        plan.workdir,
        task.description,
        name=plan.workdir.name,
        origin=f"Fine-tuned from {Path(plan.config.init_from).name} on "
        f"{plan.phases[-1].train.num_examples:,} examples; `config.json` and "
        "`report.md` beside this file say how, and on which.",
        metrics={
            name: results[name]
            for name in (*task.shown, "loss")
            if results.get(name) is not None
        },
        command="python -m bert_tf.run_finetuning, with the settings of config.json",
    )
