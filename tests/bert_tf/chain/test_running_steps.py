"""The commands of a chain: each once, whatever interrupts it, with its log."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_tf.chain import plan, running
from bert_tf.chain.commands import Step
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import Export, Finetune
from bert_tf.errors import InputError
from bert_tf.training.config import to_json
from bert_tf.training.finetuning_config import LabelledDataConfig

# A job that notes its runs, and fails as it is told.
JOB = """
import os, pathlib, signal, sys, time

flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
with open(flags["runs"], "a") as file:
    print(flags["word"], os.getpid(), file=file)
how = flags.get("how", "")
if how == "input error":
    print("Reading.")
    print("toy_job: error: a.csv: no such file", file=sys.stderr)
    sys.exit(1)
if how == "defect":
    raise ValueError("a defect")
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "silent":
    sys.exit(3)
if how == "wait" and not pathlib.Path(flags["go"]).exists():
    time.sleep(600)
if how == "term":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    pathlib.Path(flags["go"]).touch()
    time.sleep(600)
if how != "nothing":
    pathlib.Path(flags["output"]).write_text(flags["word"])
"""


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Makes a step of the job above."""
    (tmp_path / "toy_job.py").write_text(JOB)
    monkeypatch.setenv(
        "PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    )

    def make(word="a", how="", makes_model=False, name="make"):
        folder = tmp_path / "chain" / "1_toy"
        flags = {
            "word": word,
            "how": how,
            "runs": tmp_path / "runs",
            "go": tmp_path / "go",
            "output": folder / f"{name}.out",
        }
        return Step(
            folder, name, "toy_job", flags, flags["output"], makes_model=makes_model
        )

    return make


def runs(tmp_path):
    return [line.split()[0] for line in (tmp_path / "runs").read_text().splitlines()]


def test_a_finished_step_is_not_run_again(step, tmp_path, capsys):
    done = running.run(step(), "", "[1/2] ")
    assert running.run(step(), "") == done
    assert runs(tmp_path) == ["a"]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/2] python -m toy_job --word=a ")
    assert second == "1_toy/make: done before"
    record = json.loads((tmp_path / "chain/1_toy/make.done.json").read_text())
    assert record["command"] == step().command


def test_a_step_whose_output_is_gone_is_run_again(step, tmp_path):
    running.run(step(makes_model=True), "")
    step().output.unlink()
    running.run(step(makes_model=True), "")
    assert runs(tmp_path) == ["a", "a"]


def test_a_measurement_with_other_settings_is_made_anew(step, tmp_path):
    one = running.run(step("a"), "x")
    other = running.run(step("b"), "x")
    assert step().output.read_text() == "b"
    assert other.identity not in (one.identity, running.run(step("b"), "y").identity)
    assert runs(tmp_path) == ["a", "b", "b"]


def test_a_model_is_not_thrown_away_unasked(step, tmp_path):
    running.run(step("a", makes_model=True), "x")
    folder = step().folder
    with pytest.raises(InputError) as error:
        running.run(step("b", makes_model=True), "x")
    assert str(error.value) == (
        f"{folder}: was made with word='a'. Received: 'b'. Delete it, and the stages "
        "after it, to have them made again, or choose another --workdir."
    )
    with pytest.raises(InputError, match="made from another model than the one before"):
        running.run(step("a", makes_model=True), "y")
    assert runs(tmp_path) == ["a"]


def test_a_workdir_may_be_moved(step, tmp_path):
    made = step(makes_model=True)
    done = running.run(made, "")
    moved = (tmp_path / "chain").rename(tmp_path / "elsewhere") / "1_toy"
    flags = {**made.flags, "output": moved / "make.out"}
    made = dataclasses.replace(made, folder=moved, flags=flags, output=flags["output"])
    assert running.run(made, "") == done


def test_a_moved_chain_knows_its_trained_models(tmp_path):
    def second(folder, **fields):
        stages = (Finetune(), Finetune(), Export())
        data = LabelledDataConfig(train="a.csv", eval="b.csv")
        config = CompressionConfig(
            init_from="minilm", data=data, stages=stages, **fields
        )
        return plan.make_plan(config.validate(), folder).stages[1].make

    made = second(tmp_path / "chain")
    done = running.Done("identity", 1.0)
    made.output.mkdir(parents=True)
    (made.output / "config.json").write_text(to_json(made.run))
    record = {"settings": {"job": made.job}, "made_from": "first"}
    record |= dataclasses.asdict(done)
    (made.folder / "make.done.json").write_text(json.dumps(record))
    moved = (tmp_path / "chain").rename(tmp_path / "elsewhere")
    assert running.run(second(moved), "first") == done
    with pytest.raises(InputError, match="its `seed` is 12345. Received: 7"):
        running.run(second(moved, seed=7), "first")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("input error", "toy_job: error: a.csv: no such file"),
        ("defect", "exit code 1: ValueError: a defect"),
        ("killed", "it was ended by SIGKILL, as where memory runs out."),
        ("silent", "exit code 3: it said nothing"),
    ],
)
def test_a_failure_is_one_line_that_names_the_log(step, how, reason):
    log = running.log_path(step())
    for _ in range(2):  # An older failure in the log is none of this run's.
        with pytest.raises(InputError) as error:
            running.run(step(how=how), "")
        assert str(error.value) == f"Stage 1_toy/make failed: {reason} Its log: {log}"
    assert "\n$ python -m toy_job --word=a" in "\n" + log.read_text()
    running.run(step(), "")
    assert step().output.exists()


def test_a_job_that_writes_nothing_is_a_failure(step):
    with pytest.raises(InputError, match=r"1_toy/make wrote no .*make\.out; its log"):
        running.run(step(how="nothing"), "")


CHAIN = """
import sys
from pathlib import Path
from bert_tf.chain import running
from bert_tf.chain.commands import Step

folder, top = Path(sys.argv[1]), Path(sys.argv[2])
for word, how in (("a", ""), ("b", sys.argv[3])):
    flags = {"word": word, "how": how, "runs": top / "runs", "go": top / "go"}
    flags["output"] = folder / word
    step = Step(folder, word, "toy_job", flags, flags["output"], makes_model=True)
    running.run(step, "")
"""


def start_chain(tmp_path, how):
    return subprocess.Popen(
        [sys.executable, "-c", CHAIN, tmp_path / "chain", tmp_path, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_second(tmp_path):
    """Waits until the second step's job is at work, and returns its process."""
    path = tmp_path / "runs"
    while not path.exists() or path.read_text().count("\n") < 2:
        time.sleep(0.01)
    return int(path.read_text().split()[-1])


def is_running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_killed_chain_goes_on_where_it_was(step, tmp_path):
    step()  # Its module.
    chain = start_chain(tmp_path, "wait")
    job = wait_for_second(tmp_path)
    chain.kill()
    chain.communicate()
    while is_running(job):  # It ends with the chain: two must not be at work at once.
        time.sleep(0.01)
    assert not (tmp_path / "chain/b").exists()
    (tmp_path / "go").touch()
    chain = start_chain(tmp_path, "wait")
    out, error = chain.communicate()
    assert chain.returncode == 0, error
    assert "chain/a: done before" in out
    assert runs(tmp_path) == ["a", "b", "b"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_job(step, tmp_path, number):
    step()
    how = "wait" if number == signal.SIGINT else "term"
    chain = start_chain(tmp_path, how)
    job = wait_for_second(tmp_path)
    while how == "term" and not (tmp_path / "go").exists():
        time.sleep(0.01)
    chain.send_signal(number)
    _, error = chain.communicate()
    assert not is_running(job)
    if number == signal.SIGINT:
        assert error.strip().endswith("KeyboardInterrupt")
    else:  # The job's own: the state is saved, and the same command goes on.
        assert chain.returncode == 75
