import dataclasses

import pytest

from bert_tf.cli.config_file import ConfigFileParser


@dataclasses.dataclass
class Config:
    seed: int = 0


@pytest.fixture
def parse(tmp_path):
    def parse(source):
        path = tmp_path / "config.py"
        path.write_bytes(source)
        return ConfigFileParser(Config).parse(str(path))

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
    with pytest.raises(ValueError) as raised:
        parse(source)
    assert str(raised.value).startswith(f"{tmp_path / 'config.py'}")
    assert message in str(raised.value)


def test_a_missing_file_says_what_to_name(tmp_path):
    for path, problem in (("no.py", "No such file"), (".", "Is a directory")):
        with pytest.raises(ValueError, match=f"{problem}.*Name a Python file with a"):
            ConfigFileParser(Config).parse(str(tmp_path / path))
