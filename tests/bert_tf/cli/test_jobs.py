"""How jobs start and fail, seen from the shell."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.cli.jobs import next_command

JOB = '''"""Counts to a number.

Example:
    python -m counting --limit=3
"""

import os
import signal

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
    if _LIMIT.value == 7:
        raise OSError(28, "No space left on device", "runs/x")
    if _LIMIT.value == 6:
        try:  # As libraries do while they load.
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("To use Keras, you need to have `optree` installed.")
    print("counted to", _LIMIT.value)


def cli():
    jobs.run(main, required=["limit"])


if __name__ == "__main__":
    cli()
'''
ROOT = Path(__file__).parents[3]
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
        (["--limit=6"], 130, "interrupted; the same command goes on or starts over"),
        (["--limit=7"], 1, "runs/x: No space left on device. Make room and run the"),
        (["--flagfile=no"], 2, "open flagfile: [Errno 2] No such file or directory"),
        (["--flagfile=/bin/ls"], 2, "--flagfile: not a text file ('utf-8' codec"),
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
def test_help_of_every_job_answers_before_anything_heavy_loads(job, environment_with):
    refusal = "raise AssertionError('{name} was loaded')"
    heavy = ("tensorflow", "keras", "torch", "apache_beam", "numpy", "tqdm")
    result = subprocess.run(
        [sys.executable, "-m", job, "--help"],
        capture_output=True,
        text=True,
        env=environment_with(heavy, refusal),
    )
    assert result.returncode == 0, result.stderr
    assert f"python -m {job} " in result.stdout
    # An example may be copied only if its lines are continued as a shell wants it.
    assert not re.search(r"python -m .*   ", result.stdout)


COMMANDS = {
    "bert_tf.run_pretraining": [f"--config={ROOT}/configs/demo.py", "--workdir=x"],
    "bert_tf.run_finetuning": [
        *(f"--config={ROOT}/configs/finetune_classification.py", "--workdir=x"),
        *("--config.data.train=tests/a.csv", "--config.init_from=y"),
    ],
    "bert_tf.run_compression": [
        f"--config={ROOT}/configs/compress_classification.py",
        *("--workdir=x", "--config.init_from=y"),
        *("--config.data.train=tests/a.csv", "--config.data.eval=tests/b.csv"),
    ],
    "bert_tf.run_prediction": ["--checkpoint=x", "--text=y"],
    "bert_tf.run_generation": ["--checkpoint=x", "--text=y"],
    "bert_tf.prune_vocabulary": [
        *("--checkpoint=x", f"--input_file={ROOT}/README.md", "--output_dir=y")
    ],
    "bert_tf.prune_model": [
        *("--checkpoint=x", "--input_file=y", "--output_dir=z", "--keep_layers=1")
    ],
    "bert_tf.augment_texts": [
        *("--checkpoint=x", f"--input_file={ROOT}/README.md", "--output_file=y")
    ],
    "bert_tf.draw_passages": [f"--input_file={ROOT}/README.md", "--output_file=y"],
    "bert_tf.convert_checkpoint": ["--from=x", "--to=y"],
    "data_prep.create_vocabulary": [
        f"--input_file={ROOT}/README.md",
        "--output_file=x",
    ],
    "data_prep.create_pretraining_data": [
        *(f"--input_file={ROOT}/README.md", "--vocab_file=x", "--output_dir=y")
    ],
    "data_prep.inspect_records": ["--input_dir=x"],
    "export.export_saved_model": ["--checkpoint=x", "--output_dir=y"],
    "export.export_tflite": ["--checkpoint=x", "--output_file=y"],
    "export.measure_export": [
        *("--tflite_file=x", "--max_seq_length=8", "--output_file=y")
    ],
    "export.run_client": ["--model=x", "--text=y"],
    "export.serve": ["--model_dir=x"],
    "export.verify_export": [
        *("--checkpoint=x", "--eval_data=y", "--output_file=z", "--tflite_file=a")
    ],
}


@pytest.mark.parametrize("module", ["numpy", "absl"])
@pytest.mark.parametrize("job", COMMANDS)
def test_ctrl_c_while_a_job_loads_gets_no_traceback(
    job, module, environment_with, dataset_writer, tmp_path
):
    """The interrupt comes as the module is imported: late, or the first of all."""
    flags = COMMANDS[job]
    if job == "bert_tf.run_pretraining":
        data = dataset_writer(tmp_path / "data", num_records=8)
        flags = [*flags, f"--config.data.train_dir={data}"]
    if job == "export.serve":
        (tmp_path / "x" / "1").mkdir(parents=True)
        (tmp_path / "x" / "1" / "saved_model.pb").touch()
    interrupt = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    result = subprocess.run(
        [sys.executable, "-m", job, *flags],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment_with([module], interrupt),
    )
    if module == "absl":
        assert (result.returncode, result.stderr) == (-signal.SIGINT, "")
    else:
        assert result.returncode == 130
        assert re.fullmatch(f"{job}: error: interrupted;.*\n", result.stderr)


def test_a_library_importing_program_keeps_its_handlers():
    code = "import bert_tf, export, data_prep, signal\n"
    code += "assert signal.getsignal(2) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_next_command_can_be_pasted_into_a_shell():
    line = next_command("a.job", input_file="my texts/*.txt", output_dir="DIRECTORY")
    expected = "Next: python -m a.job --input_file='my texts/*.txt'"
    assert line == f"{expected} --output_dir=DIRECTORY"


def test_the_jobs_of_the_readme_exist():
    assert {
        "bert_tf.run_pretraining",
        "data_prep.create_pretraining_data",
        "data_prep.create_vocabulary",
        "data_prep.inspect_records",
        "export.export_saved_model",
        "export.export_tflite",
    } <= set(JOBS)
    load_nothing = {"bert_tf.launch_workers", "export.write_deployment"}
    assert set(COMMANDS) == set(JOBS) - load_nothing
