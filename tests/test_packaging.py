"""The wheel holds the three packages and their jobs, and nothing else."""

import configparser
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds from a copy: setuptools leaves its folders beside the sources."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for package in ("bert_tf", "data_prep", "export", "benchmarks", "configs", "tests"):
        for path in (ROOT / package).rglob("*.*"):
            if path.suffix == ".pyc" or not path.is_file():
                continue
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    result = subprocess.run(
        [*command, "--outdir", output, source], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = output.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_every_module_is_in_the_wheel_and_nothing_else(wheel):
    modules = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("bert_tf", "data_prep", "export")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert modules == expected


def test_every_console_script_starts_a_job(wheel):
    (name,) = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    parser = configparser.ConfigParser(delimiters="=")
    parser.read_string(wheel.read(name).decode())
    scripts = dict(parser["console_scripts"])
    jobs = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("bert_tf", "data_prep", "export")
        for path in (ROOT / package).glob("*.py")
        if "def cli()" in path.read_text()
    }
    assert {target.strip() for target in scripts.values()} == {
        f"{job}:cli" for job in jobs
    }
    for script, target in scripts.items():
        module = target.split(":")[0].split(".")[-1]
        name = script.strip().removeprefix("bert-tf-").replace("-", "_")
        # `run_client` is `bert-tf-client`, for `client` is a folder.
        assert name in (module, module.removeprefix("run_"))


def test_a_console_script_answers_like_the_module():
    (script,) = importlib.metadata.entry_points(
        group="console_scripts", name="bert-tf-create-vocabulary"
    )
    path = Path(sys.executable).parent / script.name
    result = subprocess.run([path, "--help"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "python -m data_prep.create_vocabulary" in result.stdout
