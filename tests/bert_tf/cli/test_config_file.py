import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.cli.config_file import ConfigError, load_config


@dataclasses.dataclass
class Config:
    seed: int = 0


@pytest.fixture
def parse(tmp_path):
    def parse(source):
        path = tmp_path / "config.py"
        path.write_bytes(source)
        return load_config(str(path), Config)

    return parse


def test_a_file_gives_what_its_get_config_returns(parse):
    source = (
        f"from {__name__} import Config\ndef get_config():\n    return Config(%d)\n"
    )
    assert parse(source.encode() % 3) == Config(3)
    # Of the same length and, most likely, the same second.
    assert parse(source.encode() % 4) == Config(4)


def test_a_file_may_define_dataclasses_and_know_where_it_is(parse):
    source = """
from __future__ import annotations
import dataclasses, pathlib
from test_config_file import Config

@dataclasses.dataclass
class Own:
    value: int = 7

def get_config():
    assert pathlib.Path(__file__).name == "config.py"
    return Config(Own().value)
"""
    assert parse(source.encode()) == Config(7)


MISTAKES = {
    "no function": (
        b"x = 1\n",
        "must have a get_config() that returns a Config. Received: no get_config()",
    ),
    "no return": (b"def get_config():\n    pass\n", "Received: NoneType"),
    "syntax": (b"\ndef get_config(:\n", ", line 2: SyntaxError: invalid syntax"),
    "no text": (b"\0", ": SyntaxError: source code"),
    "import": (b"import nothing_here\n", ", line 1: ModuleNotFoundError: No module"),
    "raises": (
        b"def fail():\n    raise KeyError('seed')\n\ndef get_config():\n    fail()\n",
        ", line 2: KeyError: 'seed'",
    ),
    "another file": (
        b"def get_config():\n    return open('nowhere')\n",
        ", line 2: FileNotFoundError: [Errno 2] No such file or directory: 'nowhere'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_named(parse, tmp_path, mistake):
    source, message = MISTAKES[mistake]
    with pytest.raises(ConfigError) as raised:
        parse(source)
    assert str(raised.value).startswith(f"{tmp_path / 'config.py'}")
    assert message in str(raised.value)


def test_a_missing_file_says_what_to_name(tmp_path):
    for path, problem in (("no.py", "No such file"), (".", "Is a directory")):
        with pytest.raises(ConfigError, match=f"{problem}.*Name a Python file with a"):
            load_config(str(tmp_path / path), Config)


VARIANTS = f"""
from {__name__} import Config
VARIANTS = ("small", "large")
def get_config(variant):
    return Config(VARIANTS.index(variant))
"""


def test_a_variant_stands_after_a_colon(tmp_path):
    path = tmp_path / "with:colon.py"
    path.write_text(VARIANTS)
    assert load_config(f"{path}:large", Config) == Config(1)
    known = f"{path}: name one of its variants, --config={path}:VARIANT: small, large"
    with pytest.raises(ConfigError, match=f"{known}. Received: none"):
        load_config(str(path), Config)
    with pytest.raises(ConfigError, match=f"{known}. Received: huge"):
        load_config(f"{path}:huge", Config)
    path.write_text(f"from {__name__} import Config\nget_config = Config")
    with pytest.raises(ConfigError, match="it has no variants.*Received: large"):
        load_config(f"{path}:large", Config)


@dataclasses.dataclass
class Larger(Config):
    size: float = 1.0


@dataclasses.dataclass
class Run:
    model: Config = dataclasses.field(default_factory=Config)
    phase_2: Config | None = None
    shuffle: bool = False


JOB = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from {__name__} import Run
from bert_tf.cli import jobs
from bert_tf.cli.config_file import define_config_flag

_CONFIG = define_config_flag(Run)

def main(argv):
    print(_CONFIG.value)

if __name__ == "__main__":
    jobs.run(main, required=["config"])
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    (folder / "job.py").write_text(JOB)
    (folder / "file.py").write_text(f"from {__name__} import Run\nget_config = Run")
    (folder / "flags").write_text("--config=file.py\n--config.model.seed=5\n")

    def run(*arguments):
        command = [sys.executable, "-m", "job", *arguments]
        root = str(Path(__file__).parents[3])
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )

    return run


def test_overrides_set_fields(job):
    done = job("--config=file.py", "--config.model.seed=3", "--config.shuffle")
    expected = Run(Config(3), None, True)
    assert done.stdout == f"{expected}\n", done.stderr
    done = job("--flagfile=flags", "--config.phase_2=build", "--config.phase_2.seed=4")
    assert done.stdout == f"{Run(Config(5), Config(4))}\n", done.stderr


def test_fields_of_a_subclass_that_the_file_gives_are_set(job, tmp_path):
    file = tmp_path / "larger.py"
    file.write_text(
        f"from {__name__} import Larger, Run\nget_config = lambda: Run(Larger())"
    )
    done = job(f"--config={file}", "--config.model.size=2", "--config.model.seed=3")
    assert done.stdout == f"{Run(Larger(3, 2.0))}\n", done.stderr


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: must be a file with a get_config"):
        load_config(str(tmp_path / "pipe"), Run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing --config "),
        (["--config.model.seed=3"], "Unknown command line flag 'config.model.seed'"),
        (["--flagfile=no", "--config=file.py"], "Unable to open flagfile: [Errno 2]"),
        (
            ["--config=file.py", "--config.model.size=3"],
            "--config.model.size: no such field 'size'. There are: seed ",
        ),
        (
            ["--config=file.py", "--noconfig.shuffel"],
            "--config.shuffel: no such field 'shuffel'. There are: model, phase_2, s",
        ),
        (
            ["--config=file.py", "--config.model.seed.x=3"],
            "--config.model.seed.x: no such field 'x'. There are: none below it ",
        ),
        (
            ["--config=file.py", "--config.phase_2.seed=3"],
            "--config.phase_2.seed: --config.phase_2 is not set in the file. Give "
            "--config.phase_2=build before it, which starts from the defaults. ",
        ),
        (["--config=file.py", "--config.model.seed=x"], "--config.model.seed=x: inval"),
    ],
)
def test_a_mistaken_override_is_named_in_full(job, arguments, message):
    done = job(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("job: error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
