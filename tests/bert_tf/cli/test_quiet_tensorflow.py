"""A job's terminal shows the job's own lines."""

import os
import signal
import subprocess
import sys

import pytest

HELD_BACK = """
import os, sys
from bert_tf.cli.quiet_tensorflow import held_back_stderr
with held_back_stderr():
    print("python", file=sys.stderr)
    os.write(2, b"C++\\n")
    {end}
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("end", "code", "shown", "hidden"),
    [
        ("pass", 0, ["after\n"], ["python", "C++"]),
        ("raise ImportError('why')", 1, ["python\nC++\n", "ImportError: why"], []),
        # As TensorFlow does where the processor misses an instruction.
        ("os.abort()", -signal.SIGABRT, ["python\nC++\n"], ["after"]),
        ("sys.exit(3)", 3, [], ["python", "C++", "after"]),
    ],
)
def test_what_a_block_writes_shows_only_if_it_fails(end, code, shown, hidden):
    result = subprocess.run(
        [sys.executable, "-c", HELD_BACK.format(end=end)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == code
    assert all(text in result.stderr for text in shown), result.stderr
    assert not any(text in result.stderr for text in hidden), result.stderr


def test_a_job_may_run_without_a_terminal():
    code = "from bert_tf.cli.quiet_tensorflow import held_back_stderr\n"
    code += "with held_back_stderr():\n    print('done')"
    command = [sys.executable, "-c", code]
    close = {"preexec_fn": lambda: os.close(2)}
    assert subprocess.run(command, stdout=subprocess.PIPE, **close).stdout == b"done\n"


GREETING = """
import os, types
os.write(2, b"oneDNN is on\\n")
def list_physical_devices():
    os.write(2, b"failed call to cuInit\\n")
config = types.SimpleNamespace(list_physical_devices=list_physical_devices)
"""
JOB = """
import sys
from data_prep.workers import map_in_processes
from bert_tf.cli import jobs

def load(number):
    import tensorflow
    return number

def main(argv):
    load(0)
    print(*map_in_processes(load, [1, 2], num_workers=1))
    print("my own line", file=sys.stderr)

if __name__ == "__main__":
    jobs.run(main)
"""


@pytest.mark.parametrize(
    ("stub", "level", "code", "shown", "hidden"),
    [
        (GREETING, None, 0, "my own line\n", "oneDNN"),
        (GREETING, "0", 0, "oneDNN is on\n", "nothing"),
        (GREETING + "raise ImportError('why')", "2", 1, "oneDNN is on\n", "my own"),
    ],
)
def test_a_greeting_shows_where_loading_fails_or_the_log_is_wanted(
    tmp_path, stub, level, code, shown, hidden
):
    """In the job's process and in its workers', with a TensorFlow that only greets."""
    (tmp_path / "tensorflow.py").write_text(stub)
    (tmp_path / "job.py").write_text(JOB)
    paths = [str(tmp_path), os.getcwd()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if level:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    result = subprocess.run(
        [sys.executable, "-m", "job"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert result.returncode == code, result.stderr
    assert shown in result.stderr and hidden not in result.stderr
    if (code, level) == (0, None):
        assert (result.stdout, result.stderr) == ("1 2\n", "my own line\n")


NARRATION = """
import logging, sys
import absl.logging
from bert_tf.cli import jobs

def main(argv):
    import keras, tensorflow as tf, tensorflow_text
    tf.saved_model.save(tf.Module(), sys.path[0] + "/saved")
    tf.function(lambda x: x + 1, jit_compile=True)(tf.ones([2]))
    absl.logging.info("mine")
    logging.getLogger("tensorflow").warning("a warning")

if __name__ == "__main__":
    jobs.run(main)
"""


@pytest.mark.slow
def test_tensorflow_itself_is_quiet_but_for_its_warnings(tmp_path):
    (tmp_path / "job.py").write_text(NARRATION)
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, tmp_path / "job.py"],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": os.getcwd()},
    )
    lines = result.stderr.splitlines()
    assert result.returncode == 0, result.stderr
    assert [line.split("] ")[-1] for line in lines] == ["mine", "a warning"]
