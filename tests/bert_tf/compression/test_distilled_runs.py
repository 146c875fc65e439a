"""Runs of tasks whose answers are not about one text each: in graphs, to the end."""

import dataclasses
import json
import shutil

import finetuning_runs
import numpy as np
import pytest
from distilled_rows import ROWS, SOFT_LABELS_ALONE, WRITERS
from finetuning_runs import train_on_two_replicas

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import OptimizerConfig

pytestmark = pytest.mark.slow


@pytest.fixture
def make_run(configure, tmp_path):
    """Returns a configuration of a few steps."""

    def make(row, *, width=0, distillation=None, **changes):
        config = configure(row, **SOFT_LABELS_ALONE | (distillation or {}))
        if width:
            shape = {
                "vocab_size": 17,
                "hidden_size": width,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": width,
                "max_position_embeddings": 16,
            }
            (tmp_path / "bert_config.json").write_text(json.dumps(shape))
            config.distillation.student_config = str(tmp_path / "bert_config.json")
        settings = {
            "optimizer": OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
            "num_train_epochs": 3.0,
            "checkpoint_interval": 2,
            "keep_checkpoints": 10,
            "log_interval": 1,
            "hidden_dropout_prob": 0.0,
        }
        config.data.global_batch_size = 8
        return dataclasses.replace(config, **settings | changes)

    return make


def train(config, workdir):
    """Returns the soft-label losses of the steps that changed the model."""
    finetuning_runs.train(config, workdir)
    return soft_label_losses(workdir)


def soft_label_losses(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    name = "soft_label_loss"  # Where a float16 gradient overflowed there is none.
    return [line[name] for line in lines if line["split"] == "train" and name in line]


def test_embeddings_of_another_width_in_float16_with_pruned_kernels(make_run, tmp_path):
    pruning = PruningConfig("magnitude", 0.5, update_interval=1)
    config = make_run(ROWS["embedding"], width=12, precision="float16", pruning=pruning)
    losses = train(config, tmp_path / "workdir")
    assert losses[-1] < losses[0]
    saved = resolve_checkpoint(tmp_path / "workdir").variables
    projection = saved["compression/distillation/sentence_embedding"]
    assert projection.shape == (12, 8)
    assert (projection != 0).all()
    weights = conversion.load_any(tmp_path / "workdir")
    kernel = weights.variables["bert/encoder/layer_0/output/dense/kernel"]
    assert (kernel == 0).mean() == 0.5
    assert not any(name.startswith("compression/") for name in weights.variables)


@pytest.mark.parametrize("name", WRITERS)
def test_writers_go_on_to_the_same_bytes_in_micro_batches(name, make_run, tmp_path):
    config = make_run(
        WRITERS[name], distillation={"unlabelled": ""}, accumulation_steps=2
    )
    if name == "causal_lm":
        config.distillation.student_layers = (0, 2)
        config.data.global_batch_size = 4
    else:
        config.distillation.temperature = 1.0
    workdir = tmp_path / "workdir"
    losses = train(config, workdir)
    assert len(losses) > 2 and np.isfinite(losses).all()
    last = list_checkpoints(workdir)[-1] / "model.safetensors"
    expected = last.read_bytes()
    for checkpoint in list_checkpoints(workdir)[1:]:
        shutil.rmtree(checkpoint)
    train(config, workdir)
    assert last.read_bytes() == expected


@pytest.mark.parametrize("name", ["multiple_choice", "sequence_to_sequence"])
def test_two_replicas_learn_the_same(name, make_run, tmp_path):
    writes = name in WRITERS
    config = make_run(
        (WRITERS if writes else ROWS)[name],
        distillation={"unlabelled": ""} if writes else {"student_layers": (0, 2)},
        num_train_epochs=1.0,
    ).validate()
    expected = train(config, tmp_path / "alone")
    train_on_two_replicas(config, tmp_path / "replicas")
    found = soft_label_losses(tmp_path / "replicas")
    assert len(found) == len(expected) >= 2
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)
    saved = [resolve_checkpoint(tmp_path / each) for each in ("alone", "replicas")]
    for variable, value in saved[0].variables.items():
        np.testing.assert_allclose(
            saved[1].variables[variable], value, atol=2e-3, err_msg=variable
        )


def test_choices_inside_quantization_aware_training(make_run, tmp_path):
    config = make_run(
        ROWS["multiple_choice"],
        width=32,
        quantization=QuantizationConfig("int8"),
        accumulation_steps=2,
    )
    losses = train(config, tmp_path / "workdir")
    assert losses[-1] < losses[0]
    assert conversion.load_any(tmp_path / "workdir").ranges
