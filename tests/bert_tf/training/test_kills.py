"""SIGKILL at random moments: the same command goes on, to the same bytes."""

import collections
import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_tf.checkpoints import workdir as workdirs
from bert_tf.storage import scratch
from bert_tf.training.preparation import prepare

ROOT = Path(__file__).parents[3]

# TensorFlow takes seconds to load, so it is loaded once: each line on stdin forks a
# process that does the run, and its id and end are told on stdout.
FORKING = """
import os
import sys
from pathlib import Path

from bert_tf.training.config import PretrainingConfig
from bert_tf.training.preparation import prepare
from bert_tf.training.pretraining import train_and_evaluate

config = PretrainingConfig.from_json_file(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if not child:
        train_and_evaluate(prepare(config, Path(line.strip())))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Starts runs in processes of their own."""

    def __init__(self, config_file: Path) -> None:
        self._forking = subprocess.Popen(
            [sys.executable, "-c", FORKING, str(config_file)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )

    def start(self, workdir: Path) -> int:
        print(workdir, file=self._forking.stdin)
        return self._read()

    def wait(self) -> int:
        return self._read()

    def _read(self) -> int:
        # What the run itself prints stands between the numbers.
        for line in self._forking.stdout:
            with contextlib.suppress(ValueError):
                return int(line)
        raise AssertionError("The forking process has ended.")

    def close(self) -> None:
        self._forking.kill()
        self._forking.communicate()


class Watch:
    """What a process does to a workdir, seen from outside since its start."""

    def __init__(self, workdir: Path) -> None:
        self._workdir, self._log = workdir, workdir / "metrics.jsonl"
        self._scratch_before, self._log_before = self._scratch(), self._log_id()
        saved = workdirs.list_checkpoints(workdir)
        self.first_step = int(saved[-1].name.removeprefix("step-")) if saved else 0

    def _scratch(self) -> set[Path]:
        return scratch.leftovers(self._workdir / "checkpoints")

    def _log_id(self) -> int:
        return self._log.stat().st_ino if self._log.exists() else 0

    def saving(self) -> bool:
        return bool(self._scratch() - self._scratch_before)

    def last_step(self) -> int:
        """The last step it logged; those of the process before are still there."""
        if self._log_id() == self._log_before:
            return self.first_step
        lines = self._log.read_text().split("\n")[:-1]
        return max((json.loads(line)["step"] for line in lines), default=0)

    def doing(self) -> str:
        if self.saving():
            return "saving"
        return "training" if self.last_step() > self.first_step else "starting"

    def wait_for(self, moment: str, rng: random.Random) -> None:
        """Returns at a random time after the moment has come."""
        goal = self.first_step + rng.randrange(1, 8)
        deadline = time.monotonic() + 400
        while not {
            "starting": lambda: True,
            "training": lambda: self.last_step() >= goal,
            "saving": self.saving,
        }[moment]():
            assert time.monotonic() < deadline, f"not {moment} after 400 s"
            time.sleep(0.001)
        most = {"starting": 6, "training": 0.03, "saving": 0.01}
        time.sleep(rng.uniform(0, most[moment]))


@pytest.mark.slow
def test_twenty_kills_change_nothing(toy, losses, dataset_writer):
    # A vocabulary so large that writing a checkpoint takes as long as a few steps.
    words = 20_000
    train_dir = dataset_writer(toy.folder / "kills-data", vocab_size=words)
    config = toy.config(
        data=dataclasses.replace(
            toy.config().data, train_dir=str(train_dir), eval_dir=str(train_dir)
        ),
        num_train_steps=150,
        steps_per_call=2,
        checkpoint_interval=3,
        keep_checkpoints=2,
        eval_interval=25,
    )
    config.model.num_hidden_layers, config.model.vocab_size = 1, words
    toy.command("kills", config)  # writes its configuration
    runs = Runs(toy.folder / "kills.json")
    undisturbed, workdir = toy.folder / "kills-none", toy.folder / "kills-twenty"
    rng = random.Random(20)
    moments = ["starting"] * 6 + ["training"] * 7 + ["saving"] * 7
    rng.shuffle(moments)
    hits: collections.Counter[str] = collections.Counter()
    try:
        runs.start(undisturbed)
        assert runs.wait() == 0
        for moment in moments:
            watch = Watch(workdir)
            process = runs.start(workdir)
            watch.wait_for(moment, rng)
            os.kill(process, signal.SIGKILL)
            assert runs.wait() == -signal.SIGKILL, "it had ended before it was killed"
            hits[watch.doing()] += 1
        runs.start(workdir)
        assert runs.wait() == 0
    finally:
        runs.close()
    print(dict(hits))
    assert all(hits[moment] >= 2 for moment in set(moments))

    last = "checkpoints/step-00000150"
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (workdir / last / name).read_bytes() == (
            undisturbed / last / name
        ).read_bytes()
    for split in ("train", "eval"):
        assert losses(workdir, split) == losses(undisturbed, split)
    assert sorted(losses(workdir)) == list(range(1, 151))
    # Neither a folder too many nor one too few, and the same one is the best.
    for folder in (".", "checkpoints"):
        assert sorted(os.listdir(workdir / folder)) == sorted(
            os.listdir(undisturbed / folder)
        )
    best = [workdirs.best_path(each).resolve() for each in (workdir, undisturbed)]
    assert best[0].name == best[1].name


KILLED_BEFORE_REPLACING = """
import os
import signal
import sys
from pathlib import Path

from bert_tf.training.config import PretrainingConfig
from bert_tf.training.preparation import prepare

left, replace = [int(sys.argv[3])], os.replace


def replace_or_die(*arguments):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    replace(*arguments)


os.replace = replace_or_die
prepare(PretrainingConfig.from_json_file(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("files_written", [0, 1, 2])
def test_a_kill_before_the_workdir_is_whole(toy, files_written):
    name = f"kill-{files_written}"
    toy.command(name)
    workdir = toy.folder / name
    arguments = [str(toy.folder / f"{name}.json"), str(workdir), str(files_written)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_REPLACING, *arguments], cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    assert scratch.leftovers(workdir)
    prepare(toy.config(), workdir).lock.close()
    names = [".lock", "config.json", "data.json", "tokenizer_config.json", "vocab.txt"]
    assert sorted(os.listdir(workdir)) == names


def test_a_kill_between_saving_and_marking_the_best(toy):
    config = toy.config(num_train_steps=8, eval_interval=4, checkpoint_interval=4)
    workdir = toy.train("kill-best", config)
    best = workdirs.best_path(workdir)
    assert best.resolve().name == "step-00000008"
    workdirs.mark_best(workdir, 4)  # As it was before the last one was marked.
    toy.train("kill-best", config)
    assert best.resolve().name == "step-00000008"


def test_a_kill_while_an_old_checkpoint_is_deleted(toy):
    config = toy.config(num_train_steps=4, checkpoint_interval=2, keep_checkpoints=1)
    half_deleted = toy.folder / "kill-deleting" / "checkpoints" / "step-00000001"
    workdir = toy.train("kill-deleting", config)
    half_deleted.mkdir()
    (half_deleted / "model.safetensors").write_bytes(b"")
    workdirs.delete_old_checkpoints(workdir, step=4, keep=1)
    assert not half_deleted.exists()
