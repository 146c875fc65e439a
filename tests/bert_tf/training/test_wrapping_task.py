"""What every method that trains another task's model in its own way relies on."""

import dataclasses
import shutil
from unittest import mock

import finetuning_runs
import numpy as np
import pytest
import tensorflow as tf
from finetuning_runs import contents, tiny_run, train_on_two_replicas

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.compression.added_variables import (
    add_variable,
    added_variables,
    assign_in_step,
)
from bert_tf.config import BertConfig
from bert_tf.storage.json_files import read_json
from bert_tf.tasks.wrapping_task import WrappingTask
from bert_tf.training import finetuning
from bert_tf.training.loop import LossNotFinite
from export.checkpoint import pretrained

pytestmark = pytest.mark.slow


class Toy(WrappingTask):
    """Pulls a trained number to 3 and counts steps in two ways; halves the pooler."""

    def create_model(self, config, **arguments):
        model = super().create_model(config, **arguments)
        add_variable(model, "toy/pulled", np.zeros([]), trainable=True)
        add_variable(model, "toy/steps/seen", np.zeros([]), trainable=False)
        add_variable(model, "toy/steps/counted", np.zeros([]), trainable=False)
        half = add_variable(model, "toy/half", np.ones([8, 1]), trainable=False)
        model.bert.pooler.dense.kernel_transform = lambda kernel: kernel * half
        return model

    @property
    def methods(self):
        return [*super().methods, "Pulled to 3."]

    def begin_step(self, model, step):
        super().begin_step(model, step)
        variables = added_variables(model, "toy")
        counted = variables["steps/counted"]
        assign_in_step(variables["steps/seen"], tf.cast(step, tf.float32))
        assign_in_step(counted, tf.convert_to_tensor(counted) + 1.0)
        mask = tf.where(step >= 3, tf.constant([[1.0], [0.0]] * 4), tf.ones([8, 1]))
        assign_in_step(variables["half"], mask)

    @property
    def added_losses(self):
        return ("toy_pull",)

    def apply(self, model, batch, **arguments):
        variables = added_variables(model, "toy")
        outputs = super().apply(model, batch, **arguments)
        outputs["pulled"] = tf.convert_to_tensor(variables["pulled"])
        return outputs | {"seen": tf.convert_to_tensor(variables["steps/seen"])}

    def weights(self, batch):
        count = tf.reduce_sum(batch["example_weights"])
        return super().weights(batch) | {"toy_pull": count}

    def sums(self, outputs, batch, *, training=False):
        distance = tf.square(outputs["pulled"] - 3.0)
        count = tf.reduce_sum(batch["example_weights"])
        sums = super().sums(outputs, batch, training=training)
        return sums | {"toy_pull_loss": count * distance}


def train(config, workdir, wrap=Toy):
    def wrapped(task, *_, **__):
        return wrap(task)

    with mock.patch.object(finetuning.compressed, "wrap", wrapped):
        return finetuning_runs.train(config, workdir)


@pytest.fixture(scope="module")
def config(tmp_path_factory, make_weights):
    """Six steps of a tiny model without dropout, evaluated on nothing."""
    weights = make_weights(
        config=BertConfig(17, 8, 1, 2, 12, max_position_embeddings=10)
    )
    return tiny_run(tmp_path_factory.mktemp("toy"), weights, num_examples=24)


@pytest.fixture(scope="module")
def with_dropout(config):
    return dataclasses.replace(config, hidden_dropout_prob=0.2)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """A run to its end, evaluated."""
    data = dataclasses.replace(config.data, eval=config.data.train)
    config = dataclasses.replace(config, data=data)
    return train(config, tmp_path_factory.mktemp("whole") / "workdir")


def test_a_wrapper_that_changes_nothing_trains_to_the_same_bits(with_dropout, tmp_path):
    config = with_dropout
    plain = train(config, tmp_path / "plain", wrap=lambda task: task)
    nested = train(config, tmp_path / "nested", lambda t: WrappingTask(WrappingTask(t)))
    assert contents(nested) == contents(plain)


def test_its_own_variables_losses_and_schedule(whole, losses):
    workdir = whole
    folder = resolve_checkpoint(workdir)
    added = {n: v for n, v in folder.variables.items() if n.startswith("compression/")}
    assert added["compression/toy/steps/seen"] == folder.step - 1 == 5
    assert added["compression/toy/steps/counted"] == folder.step
    assert added["compression/toy/half"].sum() == 4
    pulled = added["compression/toy/pulled"]
    assert 0 < pulled < 3
    slots = [name for name in folder.optimizer if name.startswith("compression/")]
    assert slots == [f"compression/toy/pulled/adam_{slot}" for slot in "mv"]

    found = losses(workdir)
    for line in found.values():
        assert line["loss"] > line["toy_pull_loss"] > 0
    assert found[1]["toy_pull_loss"] == 9.0
    # Held-out examples are scored by the task inside.
    assert "toy_pull_loss" not in losses(whole, "eval")[6]
    assert read_json(workdir / "eval.json")["parameters"] == sum(
        value.size for name, value in folder.variables.items() if name not in added
    )
    assert "Pulled to 3." in (workdir / "README.md").read_text()


def test_it_is_an_ordinary_model_to_all_others(whole):
    workdir = whole
    weights = conversion.load_any(workdir)
    folder = resolve_checkpoint(workdir)
    plain = {n for n in folder.variables if not n.startswith("compression/")}
    assert set(weights.variables) == plain
    assert weights.task.name == "classification"
    exported = pretrained.load(folder)
    assert exported.model.count_params() == sum(
        value.size for value in weights.variables.values()
    )


def test_once_a_step_whatever_the_micro_batches(config, whole, tmp_path):
    changed = dataclasses.replace(config, accumulation_steps=2)
    workdirs = whole, train(changed, tmp_path / "workdir")
    one, two = (resolve_checkpoint(workdir).variables for workdir in workdirs)
    assert two["compression/toy/steps/counted"] == 6
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=0, atol=2e-4, err_msg=name)


def test_it_goes_on_to_the_same_bytes(with_dropout, tmp_path):
    workdir = train(with_dropout, tmp_path / "workdir")
    before = contents(workdir)
    for checkpoint in list_checkpoints(workdir)[1:]:
        shutil.rmtree(checkpoint)
    train(with_dropout, workdir)
    assert contents(workdir) == before


def test_nothing_begins_after_a_loss_that_is_not_finite(config, tmp_path):
    class Broken(Toy):
        def sums(self, outputs, batch, *, training=False):
            sums = super().sums(outputs, batch, training=training)
            bad = tf.where(outputs["seen"] >= 3, float("nan"), 0.0)
            return sums | {"toy_pull_loss": sums["toy_pull_loss"] + bad}

    with pytest.raises(LossNotFinite, match="of step 4"):
        train(config, tmp_path / "workdir", Broken)
    found = resolve_checkpoint(tmp_path / "workdir").variables
    assert found["compression/toy/steps/seen"] == 3


def test_two_replicas_compute_the_same(config, whole, tmp_path):
    workdirs = whole, train_on_two_replicas(config, tmp_path / "workdir", train)
    one, two = (resolve_checkpoint(workdir).variables for workdir in workdirs)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=0, atol=2e-4, err_msg=name)
