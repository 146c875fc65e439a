"""The workdir of a fine-tuning run: locked, and with its own data only."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.errors import InputError
from bert_tf.storage.locks import FolderLock
from bert_tf.tasks.settings import RegressionSettings, TokenClassificationSettings
from bert_tf.training.finetuning_preparation import prepare

pytestmark = pytest.mark.slow


@pytest.fixture
def config(finetuning_config):
    return finetuning_config


@pytest.fixture
def train(tmp_path):
    from bert_tf.training.finetuning import train_and_evaluate

    def run(config):
        with prepare(config, tmp_path / "workdir"):
            train_and_evaluate(config, tmp_path / "workdir")
        return tmp_path / "workdir"

    return run


def test_moved_data_go_on_and_others_are_refused(
    config, train, tmp_path, write_reviews
):
    workdir = train(config)
    last = sorted((workdir / "checkpoints").glob("step-*"))[-1]
    before = (last / "model.safetensors").read_bytes()
    described = {
        name: (workdir / name).read_text() for name in ("config.json", "data.json")
    }

    shutil.rmtree(last)
    (tmp_path / "reviews.csv").rename(tmp_path / "moved.csv")
    moved = dataclasses.replace(config.data, train=str(tmp_path / "moved.csv"))
    train(dataclasses.replace(config, data=moved))
    assert (last / "model.safetensors").read_bytes() == before

    write_reviews(labels=("good", "bad"))
    with pytest.raises(
        InputError, match="other data than `data.train` .*examples_hash"
    ):
        train(config)
    assert (workdir / "data.json").read_text() == described["data.json"]
    assert str(tmp_path / "moved.csv") in (workdir / "config.json").read_text()


def test_the_current_folder(config, tmp_path, monkeypatch):
    from bert_tf.training.finetuning import train_and_evaluate

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with prepare(config, Path(".")):
        train_and_evaluate(config, Path("."))
    assert "# here\n" in Path("README.md").read_text()
    assert "Training report: here" in Path("report.md").read_text()


def test_another_vocabulary_under_the_same_path_is_refused(
    config, train, tmp_path, make_weights
):
    train(config)
    weights = make_weights()
    entries = [entry.replace("heart", "liver") for entry in weights.vocabulary.entries]
    vocabulary = type(weights.vocabulary).from_entries(
        entries, weights.vocabulary.config
    )
    save_model_folder(
        tmp_path / "model",
        config=weights.config,
        variables=weights.variables,
        vocabulary=vocabulary,
        overwrite=True,
    )
    with pytest.raises(InputError, match="other data than `data.train` .*`vocab_hash`"):
        train(config)


def test_a_field_that_the_config_lacks_has_its_default(config, tmp_path):
    workdir = tmp_path / "workdir"
    with prepare(config, workdir):
        pass
    from bert_tf.training.config import to_json

    content = json.loads(to_json(config))
    del content["task"]["class_weights"], content["evaluations_per_epoch"]
    (workdir / "config.json").write_text(json.dumps(content))
    with prepare(config, workdir):
        pass
    content["task"]["label_smoothing"] = 0.5
    (workdir / "config.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match="its `task.label_smoothing` is 0.5. Received: 0"
    ):
        prepare(config, workdir)


def test_another_task_of_the_same_fields_is_refused(config, tmp_path):
    from bert_tf.training.config import to_json

    workdir = tmp_path / "workdir"
    workdir.mkdir()
    config = dataclasses.replace(config, task=RegressionSettings())
    (workdir / "config.json").write_text(to_json(config))
    with prepare(config, workdir):
        pass
    other = dataclasses.replace(config, task=TokenClassificationSettings())
    with pytest.raises(
        InputError,
        match="its `task.name` is 'regression'. Received: 'token_classification'",
    ):
        prepare(other, workdir)


def test_a_second_run_is_refused(config, tmp_path):
    """The job, in a process of its own."""
    settings = [
        "--config=configs/finetune_classification.py",
        f"--config.init_from={config.init_from}",
        f"--config.data.train={config.data.train}",
        f"--workdir={tmp_path / 'workdir'}",
    ]
    with FolderLock(tmp_path / "workdir"):
        result = subprocess.run(
            [sys.executable, "-m", "bert_tf.run_finetuning", *settings],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
        )
    assert result.returncode == 1
    assert f"another run is at work here (process {os.getpid()} on" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
