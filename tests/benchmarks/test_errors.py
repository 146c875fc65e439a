"""What benchmarks say when they can't run: one line, the reason in it."""

import subprocess
import sys

import pytest


def last_line(module, *arguments):
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_unknown_framework():
    line = last_line("benchmarks.training_step", "--frameworks=bert_tf,keras")
    assert line.startswith("benchmarks.training_step: error: --frameworks must be of")
    assert line.endswith("Received: 'keras'")


@pytest.fixture
def damaged(dataset_writer, tmp_path):
    folder = dataset_writer(tmp_path / "damaged", num_shards=1)
    (path,) = folder.glob("*.tfrecord-*")
    content = bytearray(path.read_bytes())
    content[100::500] = bytes(byte ^ 255 for byte in content[100::500])
    path.write_bytes(content)
    return folder


@pytest.mark.slow
def test_a_job_that_fails_has_the_last_word(damaged):
    flags = [f"--train_dir={damaged}", "--size=tiny", "--steps=1", "--batch_size=4"]
    line = last_line("benchmarks.scaling", *flags)
    assert "A run of 1 worker(s) failed: bert_tf.run_pretraining: error:" in line
    assert str(damaged) in line and "damaged" in line
    line = last_line("benchmarks.learning_parity", *flags, f"--eval_dir={damaged}")
    assert line.endswith("with exit status 1; its own error stands above.")
