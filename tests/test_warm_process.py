"""A forked job is as a process of its own."""

import os
import signal
import time
from pathlib import Path

import pytest
from warm_process import WarmProcesses

pytestmark = pytest.mark.slow

DRAWS = (
    "import random, numpy as np; print(hash('a'), random.random(), np.random.rand())"
)


def test_each_job_has_its_own_randomness(warm):
    draws = [warm.run(["-c", DRAWS]).stdout.split() for _ in range(4)]
    hashes, *others = (set(values) for values in zip(*draws, strict=True))
    assert len(hashes) == (1 if os.environ.get("PYTHONHASHSEED") else 2)
    assert [len(values) for values in others] == [4, 4]


def test_arguments_folder_environment_output_and_exit_code(warm, tmp_path):
    code = (
        "import os, sys, tensorflow\n"
        "print(sys.argv[1:], os.getcwd(), os.environ['MINE'], sys.modules[__name__])\n"
        "print(sorted(name for name in globals() if name[0] != '_'))\n"
        "sys.exit('the end')\n"
    )
    job = warm.start(["-c", code, "a"], cwd=tmp_path, env={**os.environ, "MINE": "1"})
    stdout, stderr = job.communicate()
    first, second = stdout.splitlines()
    assert first == f"['a'] {tmp_path} 1 <module '__main__'>"
    assert second == "['os', 'sys', 'tensorflow']"
    assert stderr == "the end\n"
    assert job.returncode == 1


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "PYTHONWARNINGS"])
def test_what_only_a_new_interpreter_heeds_is_refused(warm, name):
    with pytest.raises(AssertionError, match=f"{name} needs a new process"):
        warm.start(["-c", ""], env={**os.environ, name: "7"})


def test_jobs_end_with_what_started_them():
    """As where somebody kills the tests, whose end they see."""
    code = "import sys, time\nprint('here', flush=True)\ntime.sleep(600)"
    with WarmProcesses() as processes:
        job = processes.start(["-c", code])
        while not job.output()[0]:
            assert job.poll() is None
        processes.kill()
        assert job.wait() == -signal.SIGKILL
    command = Path(f"/proc/{job.pid}/cmdline")
    while command.exists() and command.read_bytes():  # Empty where nobody waited.
        time.sleep(0.01)
