"""Data flows one way: data_prep -> records -> bert_tf -> checkpoint -> export."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bert_tf", "data_prep", "export", "configs", "benchmarks")

# What each package may import of the others, besides itself.
ALLOWED = {
    "bert_tf": set(),
    "data_prep": {"bert_tf"},
    "export": {"bert_tf"},
    "configs": {"bert_tf"},
    "benchmarks": {"bert_tf", "data_prep", "export", "configs"},
}

# Inside bert_tf a module imports its own folder and those before it. Jobs, the modules
# at the root that start from a command line, come last and are imported by nothing.
LAYERS = (
    ("errors",),
    ("storage",),
    ("config",),
    ("text",),
    ("data",),
    ("metrics",),
    ("labelled",),
    ("ops",),
    ("layers",),
    ("models",),
    ("checkpoints",),
    ("reporting",),
    ("generation",),
    ("tasks",),
    ("prediction",),
    ("compression",),
    ("training",),
    ("cli",),
    ("chain",),
)

# The same of export. Servers and their clients stand alone, beside what writes models.
EXPORT_LAYERS = (
    ("checkpoint",),
    ("check",),
    ("saved_model", "tflite"),
    ("client", "deployment", "server"),
)

# Folders and modules that load no TensorFlow when they are imported.
TF_FREE = (
    "bert_tf/chain",
    "bert_tf/checkpoints",
    "bert_tf/cli",
    "bert_tf/config.py",
    "bert_tf/data/dataset.py",
    "bert_tf/data/dataset_info.py",
    "bert_tf/data/masking.py",
    "bert_tf/data/packing.py",
    "bert_tf/metrics",
    "bert_tf/labelled",
    "bert_tf/storage",
    "bert_tf/text",
    "bert_tf/training/cluster.py",
    "bert_tf/training/preparation.py",
    "data_prep/corpus.py",
    "data_prep/instances.py",
)
HEAVY = {"tensorflow", "keras", "tensorflow_text"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that the file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_lies_before_them(package):
    forbidden = set(PACKAGES) - {package} - ALLOWED[package] | {"tests", "tf_keras"}
    for path in sources(package):
        for module in imports(path):
            assert module.split(".")[0] not in forbidden, f"{path} imports {module}"


@pytest.mark.parametrize(
    ("package", "layers"), [("bert_tf", LAYERS), ("export", EXPORT_LAYERS)]
)
def test_modules_import_only_layers_above(package, layers):
    ranks = {name: rank for rank, names in enumerate(layers) for name in names}
    for path in sources(package):
        own = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        if own not in ranks:  # A job: nothing may import it, it may import anything.
            assert "def cli()" in path.read_text(), f"{path} is in no layer"
        rank = ranks.get(own, len(layers))
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == package and len(parts) > 1:
                other = ranks.get(parts[1])
                assert other is not None, f"{path} imports {module}, which has no layer"
                assert other <= rank, f"{path} imports {module}, a later layer"


def test_modules_that_need_no_tensorflow_do_not_load_it():
    files = (
        file
        for name in TF_FREE
        for file in (
            [ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py")
        )
    )
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in sorted(files)
    ]
    code = "import importlib, sys\n" + "".join(
        f"importlib.import_module({module!r}); "
        f"assert not {HEAVY} & set(sys.modules), {module!r}\n"
        for module in modules
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr


def test_only_jobs_define_flags():
    for package in PACKAGES:
        for path in sources(package):
            text = path.read_text()
            if "flags.DEFINE_" in text or "config_flags.DEFINE_" in text:
                # `cli` defines flags for a job, when the job asks it to.
                by_job = "def main(" in text or path.parent.name == "cli"
                assert by_job, f"{path} defines flags but is no job"


def test_no_two_test_files_share_a_name():
    """Pytest takes the second for the first, and collects nothing at all."""
    names = [path.name for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    assert [name for name in names if names.count(name) > 1] == []
