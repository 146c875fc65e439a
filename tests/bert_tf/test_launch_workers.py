"""The launcher passes signals on, and says nothing where the workers do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Tells by a file that it is there, and what it got.
WORKER = """
import json, os, pathlib, signal, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
def end(number, frame):
    os.write(1, f"worker {index} got {number}\\n".encode())  # Whole, unlike `print`.
    sys.exit(3)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
pathlib.Path(sys.argv[1], str(index)).touch()
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_worker_gets_a_signal_once(tmp_path, number):
    (tmp_path / "worker.py").write_text(WORKER)
    ready = tmp_path / "ready"
    ready.mkdir()
    launcher = ["-m", "bert_tf.launch_workers", "--num_workers=2"]
    # `nohup` has its children ignore the hang-up.
    before = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, *launcher, "-m", "worker", ready],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        start_new_session=True,
    )
    signal.signal(number, before)
    while len(list(ready.iterdir())) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    # As a terminal does it: to the launcher's whole group.
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 3
    assert sorted(output.splitlines()) == [f"worker {i} got {number}" for i in (0, 1)]
    assert errors == ""


def test_a_missing_job_is_named():
    launcher = [sys.executable, "-m", "bert_tf.launch_workers", "-m"]
    done = subprocess.run(launcher, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "-m must name a job" in done.stderr
