"""Runs that distil: what is trained and saved, resuming, replicas, precision."""

import dataclasses
import json
import pickle
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from finetuning_runs import contents, train, train_on_two_replicas

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.compression import lessons
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import named_variables
from bert_tf.storage.json_files import read_json
from bert_tf.training import finetuning

TEACHER = BertConfig(17, 8, 3, 2, 12, max_position_embeddings=16)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(distil, tmp_path_factory):
    """A run to its end, and its teacher's model."""
    models = []

    def create_model(*arguments, **settings):
        models.append(original(*arguments, **settings))
        return models[-1]

    original = lessons.create_teacher
    with mock.patch.object(lessons, "create_teacher", create_model):
        workdir = train(distil, tmp_path_factory.mktemp("whole") / "workdir")
    return workdir, models[0]


def test_an_ordinary_classifier_of_fewer_layers_comes_of_it(whole, distil):
    folder = resolve_checkpoint(whole[0])
    assert folder.config.num_hidden_layers == 2
    assert not any("layer_2" in name for name in folder.variables)
    weights = conversion.load_any(whole[0])
    assert weights.variables.keys() == folder.variables.keys()
    assert weights.task.name == "classification"
    assert weights.task.labels == ("0", "1")
    card = (whole[0] / "README.md").read_text()
    assert "Distilled from teacher (weights: own loss 0.5, soft label 0.5," in card
    assert read_json(whole[0] / "eval.json")["commonest_class_accuracy"] == 0.5


def test_the_teacher_is_neither_trained_nor_saved(whole, distil):
    teacher = conversion.load_any(distil.distillation.teacher)
    for name, variable in named_variables(whole[1]).items():
        np.testing.assert_array_equal(variable, teacher.variables[name], name)
    folder = resolve_checkpoint(whole[0])
    slots = {name.rsplit("/", 1)[0] for name in folder.optimizer}
    assert slots == folder.variables.keys()
    student = folder.variables["bert/encoder/layer_1/output/dense/kernel"]
    start = teacher.variables["bert/encoder/layer_2/output/dense/kernel"]
    assert 0 < abs(student - start).max() < 0.2


def test_it_comes_nearer_to_the_teacher(whole, losses_of):
    found = losses_of(whole[0])
    names = ("soft_label", "hidden_state", "attention", "relation")
    for name in names:
        assert 0 < found[-1][f"{name}_loss"] < found[0][f"{name}_loss"], name
    total = sum(found[0][f"{name}_loss"] for name in names)
    assert found[0]["loss"] > total


@pytest.fixture
def losses_of():
    def read(workdir):
        lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
        return [line for line in lines if line["split"] == "train"]

    return read


def test_it_goes_on_to_the_same_bytes_and_only_with_its_teacher(
    whole, distil, tmp_path, write_teacher, changed
):
    workdir = shutil.copytree(whole[0], tmp_path / "workdir", symlinks=True)
    for checkpoint in list_checkpoints(workdir)[1:]:
        shutil.rmtree(checkpoint)
    moved = shutil.copytree(distil.distillation.teacher, tmp_path / "teacher")
    config = changed(distil, teacher=str(moved))
    train(config, workdir)
    assert contents(workdir) == contents(whole[0])

    shutil.rmtree(moved)
    wider = dataclasses.replace(TEACHER, intermediate_size=16)
    write_teacher(moved, "classification", ("0", "1"), 2, config=wider)
    with pytest.raises(InputError, match="other data than `distillation.teacher`"):
        train(config, workdir)


def close(found, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=3e-4, err_msg=name)


def test_micro_batches_make_no_difference(whole, distil, tmp_path):
    config = dataclasses.replace(distil, accumulation_steps=2)
    found = resolve_checkpoint(train(config, tmp_path / "workdir"))
    close(found.variables, resolve_checkpoint(whole[0]).variables)


def test_two_replicas_compute_the_same(whole, distil, tmp_path):
    found = resolve_checkpoint(train_on_two_replicas(distil, tmp_path / "workdir"))
    close(found.variables, resolve_checkpoint(whole[0]).variables)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_widths_in_less_precision_with_dropout(
    precision, distil, tmp_path, changed, losses_of
):
    (tmp_path / "bert_config.json").write_text(
        '{"vocab_size": 17, "hidden_size": 12, "num_hidden_layers": 1, '
        '"num_attention_heads": 3, "intermediate_size": 16, '
        '"max_position_embeddings": 16}'
    )
    config = changed(
        distil,
        student_layers=(),
        student_config=str(tmp_path / "bert_config.json"),
        attention_weight=0.0,
        cosine_weight=1.0,
        relation_heads=4,
    )
    config = dataclasses.replace(
        config, precision=precision, hidden_dropout_prob=0.1, num_train_epochs=2.0
    )
    workdir = train(config, tmp_path / "workdir")
    # Where a float16 gradient overflowed nothing changed, and there is no loss.
    found = [line for line in losses_of(workdir) if "hidden_state_loss" in line]
    assert len(found) > 5
    for name in ("hidden_state", "cosine"):
        assert found[-1][f"{name}_loss"] < found[0][f"{name}_loss"], name
    folder = resolve_checkpoint(workdir)
    added = {n: a.shape for n, a in folder.variables.items() if n.startswith("comp")}
    assert added == {
        "compression/distillation/embeddings": (12, 8),
        "compression/distillation/hidden_states": (12, 8),
    }
    assert not any(n in conversion.load_any(workdir).variables for n in added)


def test_two_workers_with_what_the_teacher_said_before(
    whole, distil, tmp_path, changed
):
    config = changed(distil, cache_dir=str(tmp_path / "taught"))
    finetuning.open_inputs(config)  # Fills it: several workers only read.
    (tmp_path / "config").write_bytes(pickle.dumps(config))
    (tmp_path / "config.py").write_text(
        "import pickle\nfrom pathlib import Path\n\n\ndef get_config():\n"
        f"    return pickle.loads(Path({str(tmp_path / 'config')!r}).read_bytes())\n"
    )
    workdir = tmp_path / "workdir"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "bert_tf.launch_workers", "--num_workers=2"),
            *("-m", "bert_tf.run_finetuning", f"--config={tmp_path / 'config.py'}"),
            *("--config.strategy=multi_worker", f"--workdir={workdir}"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    found = resolve_checkpoint(workdir).variables
    close(found, resolve_checkpoint(whole[0]).variables)


def test_inside_quantization_aware_training(distil, tmp_path, changed, losses_of):
    """Of a student whose matrices are large enough to be in int8."""
    (tmp_path / "bert_config.json").write_text(
        '{"vocab_size": 17, "hidden_size": 32, "num_hidden_layers": 1, '
        '"num_attention_heads": 2, "intermediate_size": 32, '
        '"max_position_embeddings": 16}'
    )
    config = changed(
        distil, student_layers=(), student_config=str(tmp_path / "bert_config.json")
    )
    config = dataclasses.replace(config, quantization=QuantizationConfig("int8"))
    workdir = train(config, tmp_path / "workdir")
    found = losses_of(workdir)
    assert 0 < found[-1]["hidden_state_loss"] < found[0]["hidden_state_loss"]
    weights = conversion.load_any(workdir)
    assert weights.ranges
    saved = resolve_checkpoint(workdir).variables
    added = {name for name in saved if name.startswith("compression/")}
    assert "compression/distillation/hidden_states" in added
    assert weights.variables.keys() == saved.keys() - added
