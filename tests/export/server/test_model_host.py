"""Which version a server loads, and what ends it not."""

import asyncio
import shutil

import pytest

from bert_tf.errors import InputError
from export.server import model_dir, model_host
from export.server.model_host import ModelHost


class Loaded:
    def __init__(self, path):
        self.path = path

    def metadata(self):
        return {}


@pytest.mark.parametrize("fixed", [True, False])
def test_version_0_is_one_like_others(tmp_path, monkeypatch, fixed):
    folder = tmp_path / "bert"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "saved_model.pb").touch()
    monkeypatch.setattr(model_host, "_load", Loaded)
    host = ModelHost(model_dir.find(folder / "0" if fixed else folder))
    assert asyncio.run(host.load_newest())
    assert host.model.path == folder / "0"
    assert not asyncio.run(host.load_newest())


@pytest.mark.slow
def test_a_version_whose_weights_are_still_being_copied_is_told(
    saved_model_dir, tmp_path
):
    from export.server.loaded_model import LoadedModel

    folder = shutil.copytree(saved_model_dir, tmp_path / "2")
    (data,) = (folder / "variables").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match="TensorFlow does not load it as a SavedModel"):
        LoadedModel(folder)
