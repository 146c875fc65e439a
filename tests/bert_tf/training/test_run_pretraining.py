"""The job as a user meets it: errors, kills, signals, other processes."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_tf.errors import InputError
from bert_tf.launch_workers import free_ports
from bert_tf.training.preemption import PREEMPTED
from bert_tf.training.preparation import prepare

ROOT = Path(__file__).parents[3]


def run(command, timeout=500, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )


def wait_until(condition, process, timeout=400):
    deadline = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps_written(workdir):
    path = workdir / "metrics.jsonl"
    return path.read_text().count('"train"') if path.exists() else 0


def test_help_names_the_flags():
    help_text = run(["-m", "bert_tf.run_pretraining", "--help"]).stdout
    assert "python -m bert_tf.run_pretraining --config=configs/" in help_text
    for flag in ("--config", "--workdir", "--cluster", "--task"):
        assert flag in help_text


MISTAKES = {
    "no config file": (["--config=no.py"], "no.py: No such file or directory. Name a"),
    "no config file, overrides": (
        ["--config=no.py", "--config.seed=1"],
        "no.py: No such file or directory. Name a Python file with a get_config()",
    ),
    "no workdir": (["--workdir="], "missing --workdir"),
    "unknown field": (
        ["--config.optimizer.rate=1"],
        "--config.optimizer.rate: no such field",
    ),
    "wrong type": (["--config.seed=abc"], "--config.seed=abc: invalid literal for int"),
    "value out of range": (
        ["--config.precision=int4"],
        "--config.precision must be one of",
    ),
    "value of a nested field out of range": (
        ["--config.phase_2=build", "--config.phase_2.data.max_seq_length=512"],
        "--config.phase_2.data.max_seq_length must be <= 32. Received: 512",
    ),
    "value of a field that is filled in": (
        ["--config.model.hidden_size=33"],
        "--config.model.hidden_size must be a multiple of 2. Received: 33",
    ),
    "no data": (["--config.data.train_dir="], "`data.train_dir` must name a folder"),
    "no data there": (["--config.data.train_dir=nowhere"], "nowhere: no dataset_info"),
    "another S": (
        ["--config.data.max_seq_length=32"],
        "the records have `max_seq_length` 16, but 32 is expected",
    ),
    "another P": (
        ["--config.data.max_predictions_per_seq=4"],
        "the records have `max_predictions_per_seq` 3, but 4 is expected",
    ),
    "another vocabulary size": (
        ["--config.model.vocab_size=99"],
        "the records have `vocab_size` 32, but 99 is expected",
    ),
    "a workdir that cannot be": (["--workdir=/dev/null/x"], "/dev/null"),
    "a folder of something else": (
        ["--workdir=configs"],
        "configs: holds files but no",
    ),
    "strategy without cluster": (
        ["--config.strategy=multi_worker"],
        "`strategy` must be 'multi_worker' with a cluster",
    ),
    "cluster without strategy": (
        ["--cluster=a:1,b:1"],
        "`strategy` must be 'multi_worker' with a cluster",
    ),
    "no such task": (["--cluster=a:1,b:1", "--task=2"], "`--task` must be from 0 to 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_costs_one_line_and_no_waiting(toy, mistake, without_tensorflow):
    arguments, message = MISTAKES[mistake]
    result = run([*toy.command("mistakes"), *arguments], **without_tensorflow)
    assert result.returncode in (1, 2)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("bert_tf.run_pretraining: error: ")
    assert message in lines[0]
    assert not (toy.folder / "mistakes").exists()


def test_eval_data_of_another_vocabulary_is_refused(
    toy, dataset_writer, without_tensorflow
):
    other = dataset_writer(toy.folder / "other", vocab_size=33, num_records=8)
    command = [*toy.command("other-vocabulary"), f"--config.data.eval_dir={other}"]
    assert "`vocab_hash`" in run(command, **without_tensorflow).stderr


def test_held_out_pairs_that_teach_something_else_are_refused(toy, dataset_writer):
    other = dataset_writer(toy.folder / "other-pairs", num_records=8)
    path = other / "dataset_info.json"
    path.write_text(path.read_text().replace("next_sentence", "sentence_order"))
    data = dataclasses.replace(toy.config().data, eval_dir=str(other))
    with pytest.raises(InputError, match="`objective` sentence_order, but next_sente"):
        prepare(toy.config(data=data), toy.folder / "other-pairs-run")


def test_too_little_memory_is_told_with_a_way_out(toy):
    command = [*toy.command("memory"), "--config.data.global_batch_size=256"]
    result = run(command, TF_CPU_BFC_MEM_LIMIT_IN_MB="2")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert "Out of memory, after step 0. Give --config.rematerialize=True" in last


def test_a_damaged_checkpoint_resumes_to_the_bit_from_the_one_before(toy, losses):
    """The job itself, killed once; `test_kills.py` kills at many moments."""
    config = toy.config(checkpoint_interval=4)
    undisturbed = toy.train("undisturbed", config)
    command, workdir = toy.command("damaged", config), toy.folder / "damaged"
    process = toy.start(command)
    wait_until(lambda: steps_written(workdir) >= 14, process)
    process.kill()
    process.communicate()

    newest = sorted((workdir / "checkpoints").glob("step-*/model.safetensors"))[-1]
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    result = toy.warm.run(command)
    assert result.returncode == 0, result.stderr
    assert "Damaged checkpoint, trying the one before it" in result.stderr
    for name in ("model.safetensors", "optimizer.safetensors"):
        last = f"checkpoints/step-00000040/{name}"
        assert (workdir / last).read_bytes() == (undisturbed / last).read_bytes()
    for split in ("train", "eval"):
        assert losses(workdir, split) == losses(undisturbed, split)
    assert sorted(losses(workdir)) == list(range(1, 41))


def test_a_finished_run_is_left_as_it_is(toy):
    workdir = toy.train("finished", toy.config(num_train_steps=4))
    before = (workdir / "metrics.jsonl").read_text()
    toy.train("finished", toy.config(num_train_steps=4))
    assert (workdir / "metrics.jsonl").read_text() == before


def test_another_configuration_is_refused(toy, without_tensorflow):
    toy.train("finished", toy.config(num_train_steps=4))
    command = toy.command("finished", toy.config(num_train_steps=5))
    result = run(command, **without_tensorflow)
    assert "its `num_train_steps` is 4. Received: 5" in result.stderr


def test_a_second_run_in_the_same_workdir_is_refused(toy, losses, without_tensorflow):
    """And the first is none the worse for it; a killed one leaves no lock behind."""
    config = toy.config(
        num_train_steps=100_000, checkpoint_interval=50_000, eval_interval=0
    )
    command, workdir = toy.command("twice", config), toy.folder / "twice"
    first = toy.start(command)
    wait_until(lambda: steps_written(workdir) >= 3, first)
    second = run(command, **without_tensorflow)
    assert second.returncode == 1
    (line,) = second.stderr.strip().splitlines()
    assert f"{workdir}: another run is at work here (process {first.pid} on" in line
    before = steps_written(workdir)
    wait_until(lambda: steps_written(workdir) > before, first)
    first.kill()
    first.communicate()
    (workdir / "metrics.jsonl").unlink()

    third = toy.start(command)
    wait_until(lambda: steps_written(workdir) >= 3, third)
    third.send_signal(signal.SIGTERM)
    output = third.communicate()[0]
    assert third.returncode == PREEMPTED, output
    (saved,) = (workdir / "checkpoints").glob("step-*")
    state = json.loads((saved / "training_state.json").read_text())
    assert sorted(losses(workdir)) == list(range(1, state["step"] + 1))


# As a full disk does, the system refuses what lies beyond the limit.
LIMITED = """
import resource
import runpy
import sys

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv[1:] = sys.argv[2:]
runpy.run_module("bert_tf.run_pretraining", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (30_000, "checkpoints/step-00000008"),
        (500_000, "metrics.jsonl"),
    ],
)
def test_a_full_disk_names_the_file_and_leaves_the_checkpoint_before(toy, limit, name):
    config = toy.config(num_train_steps=12, checkpoint_interval=4)
    whole = toy.train(f"disk-{limit}-whole", config)
    command = toy.command(f"disk-{limit}", config)
    workdir = toy.folder / f"disk-{limit}"
    shutil.copytree(whole, workdir, symlinks=True)
    for step in (8, 12):
        shutil.rmtree(workdir / "checkpoints" / f"step-{step:08}")
    if name == "metrics.jsonl":  # Up to just below the limit.
        line = '{"split": "train", "step": 1}\n'
        (workdir / name).write_text(line * (limit // len(line)))

    result = toy.warm.run(["-c", LIMITED, str(limit), *command[2:]])

    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert f"{workdir / name}: File too large. Make room and run the same" in last
    assert "Traceback" not in result.stderr
    last = "checkpoints/step-00000012/model.safetensors"
    toy.train(f"disk-{limit}", config)
    assert (workdir / last).read_bytes() == (whole / last).read_bytes()


def test_sigterm_saves_and_says_so_by_its_code(toy):
    """The launcher passes it on, and the workers agree on the step they stop at."""
    config = toy.config(
        strategy="multi_worker", num_train_steps=100_000, checkpoint_interval=50_000
    )
    launcher = ["-m", "bert_tf.launch_workers", "--num_workers=2"]
    process = toy.start([*launcher, *toy.command("terminated", config)])
    workdir = toy.folder / "terminated"
    wait_until(lambda: steps_written(workdir) >= 3, process)
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode == PREEMPTED == 75, output
    (saved,) = (workdir / "checkpoints").glob("step-*")
    state = json.loads((saved / "training_state.json").read_text())
    assert state["step"] == steps_written(workdir) >= 3


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_worker_fails_the_others_in_bounded_time(toy, signal_sent):
    """Dead or merely silent; the restarted job goes on from its checkpoint."""
    name = f"lost-{signal_sent.name}"
    config = toy.config(
        strategy="multi_worker",
        num_train_steps=1_000_000,
        checkpoint_interval=4,
        eval_interval=0,
    )
    (survivor, lost), workdir = toy.start_workers(name, config), toy.folder / name
    wait_until(lambda: steps_written(workdir) >= 8, survivor)
    lost.send_signal(signal_sent)
    output = survivor.communicate()[0]
    assert survivor.returncode == 1, output
    assert "error: Another worker stopped or cannot be reached" in output
    if signal_sent == signal.SIGSTOP:
        lost.send_signal(signal.SIGCONT)  # It ends by itself: the cluster is gone.
    assert lost.wait() in (1, -signal.SIGKILL, -signal.SIGABRT)

    before = steps_written(workdir)
    workers = toy.start_workers(name, config)
    wait_until(lambda: steps_written(workdir) > before + 4, workers[0])
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        output = worker.communicate()[0]
        assert worker.returncode == PREEMPTED, output
    assert "Going on from step" in workers[0].output()[0]


def test_workers_that_find_different_checkpoints_are_refused(toy):
    """Workers started by hand, each on a machine with a workdir of its own."""
    config = toy.config(strategy="multi_worker", checkpoint_interval=2)
    first = toy.train("first-worker", toy.config(checkpoint_interval=2))
    second = toy.folder / "second-worker"
    shutil.copytree(first, second, symlinks=True)
    shutil.rmtree(first / "checkpoints" / "step-00000040")
    cluster = ",".join(f"localhost:{port}" for port in free_ports(2))
    workers = []
    for task, workdir in enumerate((first, second)):
        own = [f"--workdir={workdir}", f"--cluster={cluster}", f"--task={task}"]
        workers.append(toy.start([*toy.command("by-hand", config), *own]))
    for worker, step in zip(workers, (38, 40), strict=True):
        output = worker.communicate()[0]
        assert worker.returncode == 1, output
        message = f"another worker finds another checkpoint than step {step}. Put"
        assert message in output


def worker(toy, name, tf_config, **overrides):
    """Starts one process of a cluster, whose `TF_CONFIG` is somebody else's."""
    config = toy.config(strategy="multi_worker", **overrides)
    return toy.start_worker(toy.command(name, config), tf_config)


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_waits_for_its_peers_ends_at_once(toy, index, signal_sent):
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    cluster = {"worker": addresses}
    process = worker(
        toy,
        "waits",
        {"cluster": cluster, "task": {"type": "worker", "index": index}},
    )
    waiting = f"Waiting for 1 of 2 processes: {addresses[1 - index]}"
    wait_until(lambda: waiting in process.output()[0], process)
    process.send_signal(signal_sent)
    process.communicate()  # TensorFlow would wait for an hour.
    assert process.returncode == -signal_sent


def test_a_taken_port_is_named(toy):
    with socket.create_server(("", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        process = worker(
            toy,
            "taken-port",
            {"cluster": {"chief": [address]}, "task": {"type": "chief", "index": 0}},
        )
        last = process.communicate()[0].splitlines()[-1]
    assert process.returncode == 1
    assert f"{address}: this process' port in the cluster cannot be opened" in last


def test_a_chief_and_a_worker_train_as_one_process_does(toy, losses):
    """Started as Kubeflow starts a TFJob with a chief and a worker."""
    chief, other = (f"localhost:{port}" for port in free_ports(2))
    settings = {"model": toy.without_dropout(), "num_train_steps": 4}
    processes = [
        worker(
            toy,
            "kubeflow",
            {
                "cluster": {"chief": [chief], "worker": [other]},
                "task": {"type": kind, "index": 0},
                "environment": "cloud",
            },
            **settings,
        )
        for kind in ("worker", "chief")
    ]
    for process in processes:
        output = process.communicate()[0]
        assert process.returncode == 0, output
    alone = losses(toy.train("kubeflow-alone", toy.config(**settings)))
    together = losses(toy.folder / "kubeflow")
    assert list(together) == list(alone)
    for step, values in alone.items():
        assert together[step] == pytest.approx(values, rel=1e-5), step


EQUIVALENCE = """
import dataclasses
import shutil
import sys
from pathlib import Path

import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.launch_workers import free_ports
from bert_tf.training.config import PretrainingConfig
from bert_tf.training.preparation import prepare
from bert_tf.training.pretraining import train_and_evaluate

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
config = PretrainingConfig.from_json_file(sys.argv[1])
for strategy in ("default", "mirrored"):
    for steps in (1, 4):
        run = dataclasses.replace(config, strategy=strategy, accumulation_steps=steps)
        train_and_evaluate(prepare(run, Path(f"{sys.argv[2]}-{strategy}-{steps}")))

# Half of it again, on another number of replicas.
workdir = Path(f"{sys.argv[2]}-resumed")
shutil.copytree(f"{sys.argv[2]}-default-1", workdir, symlinks=True)
shutil.rmtree(workdir / "checkpoints" / "step-00000020")
run = dataclasses.replace(config, strategy="mirrored")
train_and_evaluate(prepare(run, workdir))
"""


def test_a_global_batch_gives_the_same_losses_on_any_topology(toy, losses):
    """1 replica, 2 logical devices, 2 processes; with and without micro-batches."""
    config = toy.config(
        model=toy.without_dropout(),
        num_train_steps=20,
        # No multiple of any micro-batch, nor the 50 examples that there are.
        eval_examples=37,
        eval_interval=10,
    )
    config.model.vocab_size = 32
    toy.command("equivalence", config)  # writes its configuration
    child = toy.warm.run(
        [
            *("-c", EQUIVALENCE),
            str(toy.folder / "equivalence.json"),
            str(toy.folder / "equivalence"),
        ]
    )
    assert child.returncode == 0, child.stderr
    assert "The run had 1 replicas and goes on with 2." in child.stderr
    workers = dataclasses.replace(config, strategy="multi_worker", accumulation_steps=2)
    toy.run_workers("equivalence-workers", workers)

    reference = losses(toy.folder / "equivalence-default-1")
    for name in ("default-4", "mirrored-1", "mirrored-4", "resumed", "workers"):
        others = losses(toy.folder / f"equivalence-{name}")
        assert list(others) == list(range(1, 21))
        for step, values in reference.items():
            assert others[step] == pytest.approx(values, rel=1e-5), (name, step)
    reference = losses(toy.folder / "equivalence-default-1", "eval")
    assert list(reference) == [10, 20]
    for name in ("default-4", "mirrored-1", "mirrored-4", "resumed", "workers"):
        others = losses(toy.folder / f"equivalence-{name}", "eval")
        for step, values in reference.items():
            assert others[step] == pytest.approx(values, rel=1e-5), (name, step)
