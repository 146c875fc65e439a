"""What happens to `metrics.jsonl`, and that nothing else depends on it."""

import itertools
import json
import math
import os
import shutil
from pathlib import Path

import pytest

from bert_tf.storage.tfrecord import read_records
from bert_tf.training.metrics_log import MetricsLog, read_metrics

GOOD = [
    {"split": "train", "step": 1, "loss": 2.5},
    {"split": "eval", "step": 1, "loss": None},
    {"split": "train", "step": 2, "loss": 2},
]
BAD = [
    "",
    "{",
    "7",
    "[]",
    "null",
    '{"split": "train"}',
    '{"step": 1}',
    '{"split": "test", "step": 1}',
    '{"split": "train", "step": 1.5}',
    '{"split": "train", "step": true}',
    '{"split": "train", "step": 1, "loss": "low"}',
    '{"split": "train", "step": 1, "loss": [1]}',
    '{"split": ["train"], "step": 1}',
    '{"split": "train", "step": 1, "loss": ' + "9" * 5000 + "}",
    "[" * 100_000,
    "\ufffd\x00",
]


def test_damaged_lines_are_left_out_with_a_warning(tmp_path, caplog):
    lines = [json.dumps(line) for line in GOOD]
    mixed = [*BAD[:8], lines[0], *BAD[8:], *lines[1:]]
    content = "\n".join(mixed).encode() + b'\n\xff\xfe\n{"split": "train", "st'
    (tmp_path / "metrics.jsonl").write_bytes(content)

    assert read_metrics(tmp_path) == GOOD
    assert f"{len(BAD) + 1} of its {len(BAD) + 4} lines are damaged" in caplog.text
    with MetricsLog(tmp_path, step=1, num_train_steps=3) as log:
        log.write("train", 2, {"loss": 1.0})
    assert read_metrics(tmp_path) == [
        *GOOD[:2],
        {"split": "train", "step": 2, "loss": 1},
    ]


def test_a_half_written_last_line_is_left_out_quietly(tmp_path, caplog):
    text = "".join(json.dumps(line) + "\n" for line in GOOD)
    (tmp_path / "metrics.jsonl").write_text(text[:-4])
    assert read_metrics(tmp_path) == GOOD[:2]
    assert not caplog.text


def test_no_file_is_no_lines(tmp_path):
    assert read_metrics(tmp_path) == []


def test_what_is_not_finite_becomes_null(tmp_path):
    with MetricsLog(tmp_path, step=0, num_train_steps=1) as log:
        log.write("train", 1, {"loss": math.nan, "norm": -math.inf, "rate": 0.5})
    (line,) = read_metrics(tmp_path)
    assert line == {
        "split": "train",
        "step": 1,
        "loss": None,
        "norm": None,
        "rate": 0.5,
    }
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert [b"train/loss" in e for e in read_records(events)] == [False, False]
    assert [b"train/rate" in e for e in read_records(events)] == [False, True]


def test_each_line_is_in_the_file_at_once(tmp_path):
    """A kill takes none of them: nothing waits in a buffer of ours."""
    with MetricsLog(tmp_path, step=0, num_train_steps=9) as log:
        for step in range(1, 4):
            log.write("train", step, {"loss": 1.0})
            assert [line["step"] for line in read_metrics(tmp_path)][-1] == step


def test_metrics_are_on_disk_before_the_checkpoint_that_follows_them(toy, monkeypatch):
    synced, fsync = [], os.fsync

    def record(descriptor):
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    toy.train("synced", settings(toy))
    names = [name for name in synced if name in ("metrics.jsonl", "checkpoint.json")]
    in_turns = [name for name, _ in itertools.groupby(names)]
    assert in_turns == ["metrics.jsonl", "checkpoint.json"] * 3


@pytest.fixture(scope="module")
def undisturbed(toy):
    return toy.train("results", settings(toy))


def settings(toy):
    return toy.config(num_train_steps=12, checkpoint_interval=4, eval_interval=4)


def result(workdir):
    """`eval.json` without what depends on the clock."""
    values = json.loads((workdir / "eval.json").read_text())
    assert values.pop("seconds") > 0
    return values


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-300]),
    "cut to half": lambda path: path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 2]
    ),
    "garbled": lambda path: path.write_bytes(path.read_bytes().replace(b'"', b"\xff")),
    "another's": lambda path: path.write_text('{"split": "eval", "step": 3}\n' * 3),
    "worse": lambda path: path.write_text(
        '{"split": "eval", "step": 8, "loss": 99.0, "masked_lm_accuracy": 0.0}\n'
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("finished", [True, False])
def test_the_result_is_the_checkpoints(toy, undisturbed, damage, finished):
    """Of a finished run that is started again, and of one that goes on from step 8."""
    name = f"results-{damage}-{finished}"
    workdir = toy.folder / name
    shutil.copytree(undisturbed, workdir, symlinks=True)
    (workdir / "eval.json").unlink()
    if not finished:
        shutil.rmtree(workdir / "checkpoints" / "step-00000012")
    DAMAGE[damage](workdir / "metrics.jsonl")

    toy.train(name, settings(toy))

    assert result(workdir) == result(undisturbed)
    assert (workdir / "report.html").is_file()


def test_a_run_that_an_earlier_version_finished_keeps_its_result(toy, undisturbed):
    from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
    from bert_tf.checkpoints.workdir import newest_checkpoint

    workdir = toy.folder / "results-old"
    shutil.copytree(undisturbed, workdir, symlinks=True)
    folder = newest_checkpoint(workdir)
    state = dict(folder.training_state)
    del state["evaluation"]
    save_model_folder(
        folder.path,
        config=folder.config,
        variables=dict(folder.variables),
        vocabulary=folder.vocabulary,
        step=folder.step,
        optimizer=dict(folder.optimizer),
        training_state=state,
        overwrite=True,
    )
    assert load_model_folder(folder.path).training_state == state

    toy.train("results-old", settings(toy))

    assert result(workdir) == result(undisturbed)
