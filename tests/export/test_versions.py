"""Where a new version of a model goes."""

import pytest

from bert_tf.errors import InputError
from export.saved_model.versions import version_dir


def test_a_models_first_version_is_1(tmp_path):
    assert version_dir(tmp_path / "new") == tmp_path / "new" / "1"
    assert version_dir(tmp_path) == tmp_path / "1"


def test_the_next_one_follows_the_largest(tmp_path):
    for name in ("2", "10", ".11.tmp-7"):
        (tmp_path / name).mkdir()
    assert version_dir(tmp_path) == tmp_path / "11"


def test_a_version_is_taken_at_its_name(tmp_path):
    (tmp_path / "4").mkdir()
    for name in ("3", "4"):
        assert version_dir(tmp_path / name) == tmp_path / name


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "saved_model.pb").touch()
    with pytest.raises(InputError, match="4 is there already. Name its parent"):
        version_dir(tmp_path / "4")


def test_other_folders_are_no_models(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(InputError, match="saved_model.pb is in the way"):
        version_dir(tmp_path)
