"""A second task needs one file: training, resuming, exports and verification follow."""

import os
import signal
import time
from pathlib import Path

import pytest

from bert_tf.checkpoints.workdir import list_checkpoints, newest_checkpoint

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("second_task.py")
ROOT = SCRIPT.parents[3]


@pytest.fixture(scope="module")
def run_task(toy):
    def start(name, *launcher, strategy="default"):
        workdir = toy.folder / f"order-{name}"
        workdir.mkdir(exist_ok=True)
        command = [*launcher, "-m", "second_task"]
        command += [str(workdir), str(toy.train_dir), str(toy.eval_dir), strategy]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{SCRIPT.parent}"}
        return workdir, toy.start(command, env)

    return start


@pytest.fixture(scope="module")
def undisturbed(run_task):
    workdir, process = run_task("undisturbed")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return workdir


def test_it_learns_and_reports_its_own_metrics(undisturbed, losses):
    values = losses(undisturbed, "eval")[16]
    assert set(values) >= {"order_loss", "order_accuracy", "share_of_random"}
    assert newest_checkpoint(undisturbed).task.name == "order"


def test_two_workers_compute_the_same(run_task, undisturbed, losses):
    launcher = ["-m", "bert_tf.launch_workers", "--num_workers=2"]
    workdir, process = run_task("workers", *launcher, strategy="multi_worker")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    for step, values in losses(undisturbed).items():
        assert losses(workdir)[step]["loss"] == pytest.approx(values["loss"], rel=1e-4)
    found, expected = losses(workdir, "eval")[16], losses(undisturbed, "eval")[16]
    assert found == pytest.approx(expected, rel=1e-4)


def test_it_goes_on_after_a_kill_to_the_same_bytes(run_task, undisturbed):
    workdir, process = run_task("killed")
    while not list_checkpoints(workdir):
        assert process.poll() is None, process.output()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, process = run_task("killed")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    found, expected = newest_checkpoint(workdir), newest_checkpoint(undisturbed)
    assert found.step == expected.step == 16
    for name in ("model.safetensors", "optimizer.safetensors"):
        content = (expected.path / name).read_bytes()
        assert (found.path / name).read_bytes() == content


def test_both_exports_agree_with_it(tmp_path, toy, undisturbed, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import second_task

    from bert_tf.tasks import catalog
    from export.check import verification
    from export.checkpoint import pretrained
    from export.saved_model import saving
    from export.tflite import converter

    monkeypatch.setitem(catalog.TASKS, "order", second_task.OrderTask)
    trained = pretrained.load(newest_checkpoint(undisturbed))
    saving.save(tmp_path / "served", trained)
    (tmp_path / "it.tflite").write_bytes(converter.convert(trained, "none"))
    report = verification.verify(
        trained,
        str(toy.eval_dir),
        saved_model_dir=tmp_path / "served",
        tflite_files=[tmp_path / "it.tflite"],
        texts=["word1 word2"],
        settings=verification.Settings(max_examples=20, latency_calls=1),
    )
    assert report["failures"] == []
    assert report["keras"]["order_accuracy"] == pytest.approx(
        report["artifacts"][1]["order_accuracy"]
    )
