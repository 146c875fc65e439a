"""Every file in configs/ is a run that could start."""

import runpy
from pathlib import Path

import pytest

from bert_tf.training.config import PretrainingConfig, to_json

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config(path, tmp_path):
    module = runpy.run_path(str(path))
    config = module["get_config"]().validate()
    (tmp_path / "config.json").write_text(to_json(config))
    assert PretrainingConfig.from_json_file(tmp_path / "config.json") == config
    docstring = " ".join(module["__doc__"].split())
    assert f"--config=configs/{path.name}" in docstring
    for part in ("Command:", "Time:", "Result:"):
        assert part in docstring, part


def test_there_is_one_for_every_size():
    names = {path.stem for path in CONFIGS}
    sizes = {"tiny", "mini", "small", "medium", "base", "large"}
    assert {"demo", *(f"pretrain_{size}" for size in sizes)} <= names
