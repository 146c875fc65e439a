"""Going on with a run: its data may have moved, and must not have changed."""

import dataclasses
import json
import os
import shutil

import pytest

from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.errors import InputError
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training.config import PhaseConfig
from bert_tf.training.preparation import prepare

RECORDS = {"num_records": 64, "num_shards": 2}


@pytest.fixture
def data(tmp_path, dataset_writer):
    """A function that writes a data set again, or another one, at the same path."""

    def write(name, **settings):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        return dataset_writer(tmp_path / name, **RECORDS | settings)

    return write


@pytest.fixture
def begun(toy, tmp_path, data):
    """A function that begins the run of a workdir or goes on with it."""
    data("train")
    data("eval", seed=1)

    def begin(train="train", eval_="eval", **overrides):
        folders = {
            "train_dir": str(tmp_path / train),
            "eval_dir": eval_ and str(tmp_path / eval_),
        }
        settings = dataclasses.replace(toy.config().data, **folders)
        config = toy.config(data=settings, **overrides).validate()
        with prepare(config, tmp_path / "workdir").lock:
            return json.loads((tmp_path / "workdir" / "config.json").read_text())

    begin()
    return begin


def edit_json(path, **values):
    content = json.loads(path.read_text())
    content.update(values)
    path.write_text(json.dumps(content))


def test_moved_data_go_on(begun, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("train", "eval"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    written = begun("elsewhere/train", "elsewhere/eval")
    # Later jobs find the data where they are now.
    assert written["data"]["train_dir"] == str(tmp_path / "elsewhere" / "train")


def test_the_same_data_written_again_go_on(begun, data):
    data("train")
    begun()


@pytest.mark.parametrize("name", ["train/", "./train", "../{0}/train"])
def test_another_spelling_of_the_path_goes_on(begun, tmp_path, name):
    begun(name.format(tmp_path.name))


def test_a_relative_path_goes_on(begun, tmp_path, monkeypatch, toy):
    monkeypatch.chdir(tmp_path)
    data = dataclasses.replace(toy.config().data, train_dir="train", eval_dir="eval")
    prepare(toy.config(data=data).validate(), tmp_path / "workdir").lock.close()


def another_vocabulary(tmp_path, data):
    """Of the same size, records the same byte for byte."""
    for name in ("train", "eval"):
        words = (tmp_path / name / "vocab.txt").read_text().replace("word", "wort")
        (tmp_path / name / "vocab.txt").write_text(words)
        info = DatasetInfo.load(tmp_path / name)
        info.vocab_hash = Vocabulary.load(tmp_path / name).hash
        info.save(tmp_path / name)


def another_treatment_of_case(tmp_path, data):
    for name in ("train", "eval"):
        edit_json(tmp_path / name / "tokenizer_config.json", do_lower_case=False)


def another_seed_of_masks(tmp_path, data):
    info = DatasetInfo.load(tmp_path / "train")
    info.parameters.random_seed += 1
    info.save(tmp_path / "train")


def another_order_of_shards(tmp_path, data):
    info = DatasetInfo.load(tmp_path / "train")
    info.shards.reverse()
    info.save(tmp_path / "train")


OTHERS = {
    "vocabulary": (
        another_vocabulary,
        "`data.train_dir`.*`vocab_hash` was '[0-9a-f]{64}' and is '[0-9a-f]{64}'",
    ),
    "records": (
        lambda path, data: data("train", seed=5),
        "`data.train_dir`.*`records_hash`",
    ),
    "number": (
        lambda path, data: data("train", num_records=60),
        "`data.train_dir`.*`num_records` was 64 and is 60",
    ),
    "masks": (
        another_seed_of_masks,
        "`data.train_dir`.*`parameters.random_seed` was 12345 and is 12346",
    ),
    "order": (another_order_of_shards, "`data.train_dir`.*`records_hash`"),
    "tokenizer": (
        another_treatment_of_case,
        "`data.train_dir`.*`do_lower_case` was True and is False",
    ),
    "held out": (
        lambda path, data: data("eval", seed=6),
        "`data.eval_dir`.*`records_hash`",
    ),
}


@pytest.mark.parametrize("change", OTHERS)
def test_other_data_under_the_same_path_are_refused(begun, tmp_path, data, change):
    apply, difference = OTHERS[change]
    before = {path: path.read_bytes() for path in (tmp_path / "workdir").iterdir()}
    apply(tmp_path, data)
    message = f"workdir: its run is trained on other data than {difference}"
    with pytest.raises(InputError, match=message):
        begun()
    after = {path: path.read_bytes() for path in (tmp_path / "workdir").iterdir()}
    assert after == before


def test_held_out_data_neither_come_nor_go(begun):
    with pytest.raises(InputError, match="`data.eval_dir`.*had some and has none"):
        begun(eval_="")


def test_the_data_of_a_second_phase_are_compared_too(begun, tmp_path, data, toy):
    shutil.rmtree(tmp_path / "workdir")
    second = dataclasses.replace(toy.config().data, train_dir=str(data("second")))
    phase_2 = PhaseConfig(second, num_train_steps=2)
    begun(phase_2=phase_2)
    begun(phase_2=phase_2)
    data("second", seed=7)
    with pytest.raises(InputError, match="`phase_2.data.train_dir`.*`records_hash`"):
        begun(phase_2=phase_2)


def test_a_parameter_that_came_with_a_later_version_goes_on(begun, tmp_path):
    path = tmp_path / "workdir" / "data.json"
    content = json.loads(path.read_text())
    del content["data.train_dir"]["parameters"]["max_ngram_size"]
    content["data.train_dir"]["parameters"]["gone"] = 1
    path.write_text(json.dumps(content))
    begun()


def test_a_record_of_the_data_that_is_none_is_named(begun, tmp_path):
    path = tmp_path / "workdir" / "data.json"
    edit_json(path, **{"data.train_dir": "a text"})
    message = f"{path}: `data.train_dir` must be an object or null. Received: 'a text'"
    with pytest.raises(InputError, match=message):
        begun()


def test_a_vocabulary_that_is_not_the_records_is_refused(begun, tmp_path):
    vocabulary = tmp_path / "train" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("word1", "other"))
    with pytest.raises(
        InputError, match="train/vocab.txt: not the vocabulary of the records"
    ):
        begun()


@pytest.fixture
def of_an_earlier_version(begun, tmp_path):
    (tmp_path / "workdir" / "data.json").unlink()
    return begun


def test_a_run_of_an_earlier_version_goes_on_and_learns(of_an_earlier_version, data):
    of_an_earlier_version("train/")
    data("train", seed=8)
    with pytest.raises(InputError, match="`records_hash`"):
        of_an_earlier_version()


def test_it_knows_its_paths_and_its_vocabulary(of_an_earlier_version, tmp_path, data):
    (tmp_path / "train").rename(tmp_path / "moved")
    with pytest.raises(InputError, match="its `data.train_dir` is '.*train'. Received"):
        of_an_earlier_version("moved")
    (tmp_path / "moved").rename(tmp_path / "train")
    another_vocabulary(tmp_path, data)
    with pytest.raises(InputError, match="workdir: its run has another vocabulary"):
        of_an_earlier_version()


def test_a_field_that_the_config_lacks_has_its_default(begun, tmp_path):
    path = tmp_path / "workdir" / "config.json"
    content = json.loads(path.read_text())
    del content["seed"], content["model"]["layer_norm_eps"], content["data"]
    path.write_text(json.dumps(content | {"data": {"global_batch_size": 16}}))
    with pytest.raises(InputError, match="`data.max_predictions_per_seq` is 20"):
        begun()
    data = {"max_seq_length": 16, "max_predictions_per_seq": 3}
    path.write_text(json.dumps(content | {"data": data | {"global_batch_size": 16}}))
    begun()


def test_a_field_that_nobody_knows_is_named(begun, tmp_path):
    edit_json(tmp_path / "workdir" / "config.json", sed=1)
    with pytest.raises(InputError, match="its `sed` is 1. Received: None"):
        begun()


def test_moved_data_give_the_same_bytes(toy, dataset_writer, monkeypatch):
    folder = toy.folder / "moving"
    folder.mkdir()
    dataset_writer(folder / "data", **RECORDS)

    def settings(path):
        data = dataclasses.replace(toy.config().data, train_dir=path, eval_dir=path)
        return toy.config(data=data, num_train_steps=8, checkpoint_interval=4)

    workdir = toy.train("moving-run", settings(str(folder / "data")))
    last = workdir / "checkpoints" / "step-00000008"
    before = (last / "model.safetensors").read_bytes()
    shutil.rmtree(last)
    (folder / "data").rename(folder / "moved")
    monkeypatch.chdir(folder)
    toy.train("moving-run", settings(os.path.join("moved", "")))
    assert (last / "model.safetensors").read_bytes() == before
