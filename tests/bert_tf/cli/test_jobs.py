"""How jobs start and fail, seen from the shell."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

JOB = '''"""Counts to a number.

Example:
    python -m counting --limit=3
"""

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

_LIMIT = flags.DEFINE_integer("limit", None, "Where to stop.")


def main(argv):
    if _LIMIT.value == 1:
        raise InputError("`limit` must be\\n  2 or more. Received: 1")
    if _LIMIT.value == 2:
        open("missing/file")
    if _LIMIT.value == 3:
        raise KeyboardInterrupt
    if _LIMIT.value == 4:
        raise ValueError("a defect")
    print("counted to", _LIMIT.value)


def cli():
    jobs.run(main, required=["limit"])


if __name__ == "__main__":
    cli()
'''
AS_MODULE = ["-m", "counting"]
AS_SCRIPT = ["-c", "from counting import cli; cli()"]


@pytest.fixture
def counting(tmp_path):
    (tmp_path / "counting.py").write_text(JOB)

    def run(*arguments, start=AS_MODULE):
        return subprocess.run(
            [sys.executable, *start, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

    return run


@pytest.mark.parametrize("start", [AS_MODULE, AS_SCRIPT])
def test_help_shows_the_example_and_the_jobs_own_flags(counting, start):
    result = counting("--help", start=start)
    assert result.returncode == 0
    assert "python -m counting --limit=3" in result.stdout
    assert "--limit: Where to stop." in result.stdout
    assert "--verbosity" not in result.stdout


def test_a_good_run_exits_with_zero(counting):
    result = counting("--limit=5")
    assert (result.returncode, result.stdout) == (0, "counted to 5\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--limit=1"], 1, "`limit` must be 2 or more. Received: 1"),
        (["--limit=2"], 1, "missing/file: No such file or directory"),
        (["--limit=3"], 130, "interrupted; the same command goes on or starts over"),
        (["--limit=5", "6"], 1, "Every argument must be a --flag=value. Received"),
        (["--limit=many"], 2, "flag --limit=many: invalid literal"),
        (["--limits=5"], 2, "Unknown command line flag 'limits'"),
        ([], 2, "missing --limit (--help lists the flags)"),
    ],
)
def test_bad_input_is_one_line_on_stderr(counting, arguments, code, message):
    result = counting(*arguments)
    assert result.returncode == code
    assert result.stderr.startswith("counting: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_defect_keeps_its_traceback(counting):
    result = counting("--limit=4")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


JOBS = sorted(
    ".".join(path.with_suffix("").parts)
    for folder in ("bert_tf", "data_prep", "export")
    for path in Path(folder).glob("*.py")
    if "def cli()" in path.read_text()
)


@pytest.mark.parametrize("job", JOBS)
def test_help_of_every_job_answers_without_tensorflow(job, without_tensorflow):
    result = subprocess.run(
        [sys.executable, "-m", job, "--help"],
        capture_output=True,
        text=True,
        env=without_tensorflow,
    )
    assert result.returncode == 0, result.stderr
    assert f"python -m {job} " in result.stdout
    # An example may be copied only if its lines are continued as a shell wants it.
    assert not re.search(r"python -m .*   ", result.stdout)


def test_the_jobs_of_the_readme_exist():
    assert {
        "bert_tf.run_pretraining",
        "data_prep.create_pretraining_data",
        "data_prep.create_vocabulary",
        "data_prep.inspect_records",
        "export.export_saved_model",
        "export.export_tflite",
    } <= set(JOBS)
