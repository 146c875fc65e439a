"""Several runs in one workdir: each as if alone, none twice, the best one opened."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from finetuning_runs import contents

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json
from bert_tf.training.finetuning_config import SweepConfig
from bert_tf.training.finetuning_preparation import prepare

ROOT = Path(__file__).parents[3]
SEEDS = (12345, 12346)


@pytest.fixture
def train(tmp_path):
    """Trains in this process and returns the workdir."""
    from bert_tf.training import finetuning, sweep

    def run(config, name="workdir"):
        workdir = tmp_path / name
        kind = sweep if config.has_several_runs else finetuning
        with prepare(config.validate(), workdir):
            kind.train_and_evaluate(config, workdir)
        return workdir

    return run


@pytest.fixture
def never_train(monkeypatch):
    """Lets no further run begin."""
    from bert_tf.training import finetuning

    def refuse(config, folder, inputs):
        raise AssertionError(f"{folder.name} was trained again")

    return lambda: monkeypatch.setattr(finetuning, "train", refuse)


def test_seeds(finetuning_config, train, never_train, tmp_path, capsys):
    config = dataclasses.replace(finetuning_config, num_seeds=2)
    workdir = train(config)
    assert sorted(os.listdir(workdir / "runs")) == [f"seed-{s}" for s in SEEDS]

    swept = read_json(workdir / "sweep.json")
    results = {
        run["name"]: read_json(workdir / "runs" / run["name"] / "eval.json")
        for run in swept["runs"]
    }
    accuracies = [each["accuracy"] for each in results.values()]
    assert swept["metric"] == "accuracy" and swept["higher_is_better"]
    assert swept["settings"][0]["metrics"]["accuracy"]["max"] == max(accuracies)
    best = workdir / "runs" / swept["best_run"]
    assert results[best.name]["accuracy"] == max(accuracies)

    # The workdir stands for the best run, wherever it is moved.
    moved = workdir.rename(tmp_path / "moved")
    best = moved / "runs" / best.name
    assert contents(moved) == contents(best)
    assert resolve_checkpoint(moved).step == resolve_checkpoint(best).step
    assert read_json(moved / "eval.json") == results[best.name]
    # A checkpoint says what it was trained on and what was measured of it, if any.
    last, other = (
        resolve_checkpoint(moved),
        load_model_folder(list_checkpoints(moved)[0]),
    )
    assert last.metadata["held_out_metrics"]["accuracy"] == max(accuracies)
    assert other.step == 2 and other.metadata["held_out_metrics"] == {}
    origin = "Fine-tuned from model on 22 examples of reviews.csv."
    assert (
        last.metadata["origin"] == origin
        and origin in (moved / "README.md").read_text()
    )
    for name in ("report.html", "report.md", "README.md"):
        assert "its own figures are optimistic" in (moved / name).read_text()
    assert "standard deviation" in (moved / "report.html").read_text()
    said = capsys.readouterr().out
    assert f"The best run is {best.name}: accuracy" in said
    assert "optimistic" in said and "standard deviation" in said

    # A run is what it would be alone, and on the same held-out examples.
    alone = dataclasses.replace(
        finetuning_config,
        seed=SEEDS[1],
        data=dataclasses.replace(finetuning_config.data, seed=SEEDS[0]),
    )
    second = moved / "runs" / f"seed-{SEEDS[1]}"
    assert contents(train(alone, "alone")) == contents(second)
    assert contents(second) != contents(moved / "runs" / f"seed-{SEEDS[0]}")

    # Once more: nothing is trained, all is the same; unless it is another run.
    never_train()
    before = (moved / "sweep.json").read_text()
    train(config, "moved")
    assert (moved / "sweep.json").read_text() == before
    for name, other in {
        "num_seeds": dataclasses.replace(config, num_seeds=3),
        "sweep.learning_rates": dataclasses.replace(
            config, sweep=SweepConfig(learning_rates=(1e-3,))
        ),
    }.items():
        with pytest.raises(InputError, match=f"holds another run: its `{name}`"):
            train(other, "moved")


def test_a_setting_that_diverges_does_not_end_the_others(
    finetuning_config, train, tmp_path
):
    config = dataclasses.replace(
        finetuning_config,
        num_train_epochs=1.0,
        optimizer=dataclasses.replace(
            finetuning_config.optimizer, max_grad_norm=0.0, warmup_steps=0
        ),
        sweep=SweepConfig(learning_rates=(1e38, 1e-3)),
    )
    for _ in range(2):  # The second time it fails again, and says the same.
        workdir = train(config)
        failed, passed = read_json(workdir / "sweep.json")["runs"]
        assert "step" in failed["error"] and failed["metrics"] == {}
        assert passed["learning_rate"] == 1e-3 and "accuracy" in passed["metrics"]
        link = os.readlink(workdir / "checkpoints")
        assert link == f"runs/learning_rate-0.001-seed-{SEEDS[0]}/checkpoints"


def test_texts_are_read_and_tokenized_once(finetuning_config, train, monkeypatch):
    from bert_tf.tasks import labelled_task

    calls = []
    tokenize = labelled_task.tokenize_cached

    def count(texts, *arguments, **settings):
        calls.append(len(next(iter(texts.values()))))
        return tokenize(texts, *arguments, **settings)

    monkeypatch.setattr(labelled_task, "tokenize_cached", count)
    sweep = SweepConfig(num_train_epochs=(0.5, 1.0))
    workdir = train(dataclasses.replace(finetuning_config, sweep=sweep))
    assert len(calls) == 2 and sum(calls) == 24
    steps = [list_checkpoints(run)[-1].name for run in workdir.glob("runs/*")]
    assert len(set(steps)) == 2


@pytest.mark.slow
def test_a_kill_changes_nothing(finetuning_config, train, tmp_path):
    """The job, with the fields as a command line has them."""
    config = dataclasses.replace(
        finetuning_config,
        sweep=SweepConfig(learning_rates=(1e-3, 5e-3)),
        checkpoint_interval=1,
        steps_per_call=1,
    )
    file = tmp_path / "config.py"
    file.write_text(
        "from bert_tf.labelled.columns import ColumnNames\n"
        "from bert_tf.training.finetuning_config import *\n\n\n"
        "def get_config():\n"
        f"    return {dataclasses.replace(config, sweep=SweepConfig())!r}\n"
    )
    workdir = tmp_path / "killed"
    job = subprocess.Popen(
        [
            *(sys.executable, "-m", "bert_tf.run_finetuning", f"--config={file}"),
            *("--config.sweep.learning_rates=(1e-3,5e-3)", f"--workdir={workdir}"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    second = workdir / "runs" / f"learning_rate-0.005-seed-{SEEDS[0]}"
    while not list_checkpoints(second):
        assert job.poll() is None
        time.sleep(0.001)
    job.kill()
    assert job.wait() == -signal.SIGKILL
    first = workdir / "runs" / f"learning_rate-0.001-seed-{SEEDS[0]}"
    finished = (first / "eval.json").stat().st_ino
    assert not (workdir / "checkpoints").exists()
    assert not (second / "eval.json").exists()

    train(config, "killed")
    assert (first / "eval.json").stat().st_ino == finished
    undisturbed = train(config, "undisturbed")
    for run in (first, second):
        assert contents(run) == contents(undisturbed / "runs" / run.name)
    for name in ("sweep.json", "README.md"):
        received, expected = (
            (each / name).read_text().replace(each.name, "NAME")
            for each in (workdir, undisturbed)
        )
        assert received == expected


def test_sigterm_at_the_end_of_a_run_ends_the_job(finetuning_config, monkeypatch):
    from bert_tf.training import finetuning, sweep
    from bert_tf.training.preemption import PREEMPTED

    train = finetuning.train

    def preempted(config, folder, inputs):
        finished = train(config, folder, inputs)
        finished.preemption.requested = True
        return finished

    monkeypatch.setattr(finetuning, "train", preempted)
    config = dataclasses.replace(finetuning_config, num_train_epochs=0.5, num_seeds=2)
    workdir = Path(config.data.train).parent / "workdir"
    for runs in (1, 2):
        with prepare(config, workdir):
            if runs == 1:
                with pytest.raises(SystemExit) as stopped:
                    sweep.train_and_evaluate(config, workdir)
                assert stopped.value.code == PREEMPTED
            else:  # After the last run there is nothing left to go on with.
                sweep.train_and_evaluate(config, workdir)
        assert len(list(workdir.glob("runs/*/eval.json"))) == runs


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_seeds": 0}, "num_seeds` must be at least 1"),
        (
            {"sweep": SweepConfig(learning_rates=(1e-3, 1e-3))},
            "learning_rates` must be different positive numbers.*0.001, 0.001",
        ),
        (
            {"sweep": SweepConfig(num_train_epochs=(0.0,))},
            "num_train_epochs` must be different positive numbers",
        ),
        ({"num_seeds": 2, "strategy": "multi_worker"}, "'multi_worker' cannot"),
    ],
)
def test_what_cannot_be_compared_is_refused(finetuning_config, overrides, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(finetuning_config, **overrides).validate()


def test_runs_without_held_out_examples_are_refused(finetuning_config):
    data = dataclasses.replace(finetuning_config.data, eval_share=0.0)
    config = dataclasses.replace(finetuning_config, data=data, num_seeds=2)
    with pytest.raises(InputError, match="compare runs on held-out examples"):
        config.validate()


def test_an_unknown_best_metric_is_told(finetuning_config, train):
    task = dataclasses.replace(finetuning_config.task, best_metric="acuracy")
    config = dataclasses.replace(finetuning_config, task=task, num_train_epochs=0.5)
    with pytest.raises(
        InputError, match="best_metric` must be one of loss,.*accuracy.*'acuracy'"
    ):
        train(config)
