"""Runs the commands of a chain: each once, in processes of their own, with a log.

A finished step leaves a record of what it was, written last; the next run of the chain
skips it. A step that was killed is run again, and goes on where its job goes on.
"""

import dataclasses
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from bert_tf.chain.commands import Step
from bert_tf.chain.logged_process import run_logged
from bert_tf.chain.plan import Plan
from bert_tf.errors import InputError
from bert_tf.storage import scratch
from bert_tf.storage.json_files import format_json, read_json, write_json
from bert_tf.training.config import check_same_run


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished step.

    Attributes:
        identity: of what it was and what it started from.
        seconds: how long its last try took.
    """

    identity: str
    seconds: float


def run_all(plan: Plan) -> list[tuple[Step, Done]]:
    """Runs what is not done yet of a chain, in order.

    Returns:
        All steps, and what became of each.

    Raises:
        InputError: see `run`; what is done stays.
    """
    finished: list[tuple[Step, Done]] = []
    total = len(list(plan.steps))

    def do(step: Step, made_from: str) -> str:
        finished.append((step, run(step, made_from, f"[{len(finished) + 1}/{total}] ")))
        return finished[-1][1].identity

    model = ""
    for stage in plan.stages:
        model = do(stage.make, model)
        for step, _ in stage.exports:
            do(step, model)
        do(stage.accuracy, model)
    do(plan.latency, model)
    return finished


def run(step: Step, made_from: str, progress: str = "") -> Done:
    """Runs a step unless it is done.

    Args:
        step: what to run.
        made_from: the identity of what made the model that it starts from; empty for
            the chain's start.
        progress: stands before the line that says what is run.

    Returns:
        What it is now.

    Raises:
        InputError: its job failed, or it was done with other settings and is too dear
            to do again unasked.
        SystemExit: SIGTERM came, and the job has ended.
        KeyboardInterrupt: so did Ctrl-C.
    """
    record = _record(step)
    done = _done(step, record, made_from)
    if done is not None:
        print(f"{progress}{step.label}: done before", flush=True)
        return done
    step.folder.mkdir(parents=True, exist_ok=True)
    scratch.remove_leftovers(step.folder)
    if not step.run:  # A training job goes on; others want nothing in their way.
        _remove(step.output)
    step.write_run()
    print(f"{progress}{step.command}", flush=True)
    start = time.monotonic()
    log = log_path(step)
    failure = run_logged(step.arguments, step.command, log)
    if failure:
        raise InputError(f"Stage {step.label} failed: {failure}")
    if not step.output.exists():
        raise InputError(f"Stage {step.label} wrote no {step.output}; its log is {log}")
    done = Done(_identity(step, made_from), round(time.monotonic() - start, 1))
    write_json(
        record,
        {
            "command": step.command,
            "settings": _settings(step),
            "made_from": made_from,
            **dataclasses.asdict(done),
        },
    )
    return done


def log_path(step: Step) -> Path:
    """Returns where what a step printed is kept."""
    return step.folder / f"{step.name}.log"


def _record(step: Step) -> Path:
    return step.folder / f"{step.name}.done.json"


def _done(step: Step, record: Path, made_from: str) -> Done | None:
    """Returns what a step's record says; None where it is to be run."""
    if not (record.exists() and step.output.exists()):
        return None
    saved = read_json(record)
    now = {**_settings(step), "made_from": made_from}
    before = {**saved["settings"], "made_from": saved["made_from"]}
    changed = [n for n in {**now, **before} if now.get(n) != before.get(n)]
    if not step.makes_model:
        return None if changed else Done(saved["identity"], saved["seconds"])
    if changed == ["made_from"]:
        raise InputError(
            f"{step.folder}: was made from another model than the one before it now "
            f"is. Delete it to have it made again, or choose another --workdir."
        )
    if changed:
        name = changed[0]
        raise InputError(
            f"{step.folder}: was made with {name}={before.get(name)!r}. Received: "
            f"{now.get(name)!r}. Delete it, and the stages after it, to have them made "
            "again, or choose another --workdir."
        )
    if step.run is not None:
        path = step.output / "config.json"
        run = step.run
        if made_from:  # It says from which model; the chain may stand elsewhere by now.
            run = dataclasses.replace(run, init_from=read_json(path)["init_from"])
        check_same_run(run, path)
    return Done(saved["identity"], saved["seconds"])


def _settings(step: Step) -> dict[str, Any]:
    """Returns what decides a step's result beside what it is made from, as JSON has it.

    Of a training job its workdir says it.
    """
    values: dict[str, Any] = {"job": step.job}
    if step.run is None:
        values |= step.flags
    # A path is one of the chain's own, which may stand elsewhere by now.
    text = json.dumps(values, default=lambda path: "/".join(path.parts[-2:]))
    settings: dict[str, Any] = json.loads(text)
    return settings


def _identity(step: Step, made_from: str) -> str:
    run = format_json(step.run.to_dict()) if step.run else ""
    parts = json.dumps([_settings(step), run, made_from])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _remove(path: Path) -> None:
    """Deletes what an earlier try of a step left."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
