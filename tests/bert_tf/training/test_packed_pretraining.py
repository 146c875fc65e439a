"""Packing changes what a run costs, not what it computes."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import DataConfig
from bert_tf.data.dataset import Dataset
from bert_tf.data.input_pipeline import pretraining_reader
from bert_tf.data.packing import pack_examples
from bert_tf.models import BertPretrainer
from bert_tf.tasks.pretraining import PretrainingTask

SEQ_LENGTH, PREDICTIONS = 64, 8


@pytest.fixture(scope="module")
def short(toy, dataset_writer):
    """Records of 8 to 64 tokens."""
    return dataset_writer(
        toy.folder / "short",
        max_seq_length=SEQ_LENGTH,
        max_predictions_per_seq=PREDICTIONS,
        min_length=8,
    )


@pytest.fixture(scope="module")
def config(toy, short):
    """A run of 24 steps without dropout, in two micro-batches."""

    def build(pack_examples=True, num_hidden_layers=1, **overrides):
        return toy.config(
            model=dataclasses.replace(
                toy.without_dropout(),
                num_hidden_layers=num_hidden_layers,
                max_position_embeddings=SEQ_LENGTH,
            ),
            data=DataConfig(
                train_dir=str(short),
                max_seq_length=SEQ_LENGTH,
                max_predictions_per_seq=PREDICTIONS,
                global_batch_size=16,
                pack_examples=pack_examples,
            ),
            **{"num_train_steps": 24, "accumulation_steps": 2, **overrides},
        )

    return build


@pytest.fixture(scope="module")
def packed(toy, config):
    return toy.train("packed", config())


def read(dataset, *, pack):
    reader = pretraining_reader(
        dataset, dataset.examples(seed=3), replica_batch_size=16, pack=pack
    )
    return reader.read(0, 2)


@pytest.mark.parametrize("rows", ["used", "all"])
def test_sums_and_gradients_are_those_of_the_padded_batch(short, config, rows):
    dataset = Dataset.open(short)
    padded, packed = (read(dataset, pack=pack) for pack in (False, True))
    num_rows = packed.pop("num_rows")[0, 0]
    assert num_rows < 13
    model = BertPretrainer(
        dataclasses.replace(
            config(num_hidden_layers=2).model, vocab_size=dataset.info.vocab_size
        ),
        seed=1,
    )
    task = PretrainingTask()

    def run(batches, rows):
        batch = {name: tf.constant(v[0, 0, :rows]) for name, v in batches.items()}
        weights = task.weights(batch)
        with tf.GradientTape() as tape:
            sums = task.sums(task.apply(model, batch, training=True), batch)
            loss = tf.add_n([sums[f"{name}_loss"] / weights[name] for name in weights])
        gradients = tape.gradient(loss, model.trainable_variables)
        gradients = [tf.convert_to_tensor(g).numpy() for g in gradients]
        return {
            **sums,
            **{f"{name}_weight": w for name, w in weights.items()},
        }, gradients

    expected_sums, expected_gradients = run(padded, 16)
    sums, gradients = run(packed, num_rows if rows == "used" else 16)
    assert sums.keys() == expected_sums.keys()
    for name, value in sums.items():
        assert float(value) == pytest.approx(float(expected_sums[name]), rel=1e-5), name
    for variable, gradient, expected in zip(
        model.trainable_variables, gradients, expected_gradients, strict=True
    ):
        norm = np.linalg.norm(expected)
        if variable.path.endswith("key/bias"):
            # Softmax does not change when all of a query's scores do: exactly 0.
            assert norm < 1e-6
            norm = 1.0
        assert np.linalg.norm(gradient - expected) < 1e-5 * norm, variable.path


def test_dynamic_masks_are_drawn_before_packing(short):
    static = Dataset.open(short)
    parameters = dataclasses.replace(static.parameters, dynamic_masking=True)
    info = dataclasses.replace(static.info, parameters=parameters)
    dataset = dataclasses.replace(static, info=info)
    expected = pack_examples(read(dataset, pack=False))
    for name, values in read(dataset, pack=True).items():
        np.testing.assert_array_equal(values, expected[name])
    assert expected["masked_lm_weights"].sum() > 0


def test_a_packed_run_has_the_losses_of_a_padded_one(
    toy, losses, config, packed, caplog
):
    with caplog.at_level("INFO", logger="absl"):
        padded = losses(toy.train("padded", config(pack_examples=False)))
    assert "% of the examples' places are padding. pack_examples=True" in caplog.text
    found = losses(packed)
    assert list(found) == list(padded) == list(range(1, 25))
    for step, values in padded.items():
        assert found[step] == pytest.approx(values, rel=1e-5), step
    assert found[24]["loss"] < found[1]["loss"]


def test_a_packed_run_resumes_to_the_bit(toy, losses, config, packed):
    workdir = toy.folder / "packed-resumed"
    shutil.copytree(packed, workdir, symlinks=True)
    shutil.rmtree(workdir / "checkpoints" / "step-00000024")
    toy.train("packed-resumed", config())
    for name in ("model.safetensors", "optimizer.safetensors"):
        last = f"checkpoints/step-00000024/{name}"
        assert (workdir / last).read_bytes() == (packed / last).read_bytes()
    assert losses(workdir) == losses(packed)


def test_workers_pack_their_own_examples(toy, losses, config):
    """Their numbers of rows differ, and nothing else."""
    workers = config(strategy="multi_worker", accumulation_steps=1, num_train_steps=6)
    toy.run_workers("packed-workers", workers)
    padded = config(pack_examples=False, num_train_steps=6)
    expected = losses(toy.train("padded-6", padded))
    found = losses(toy.folder / "packed-workers")
    assert list(found) == list(expected) == list(range(1, 7))
    for step, values in expected.items():
        assert found[step] == pytest.approx(values, rel=1e-5), step
