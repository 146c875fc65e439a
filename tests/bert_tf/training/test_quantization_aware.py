"""Quantization-aware training: where its ranges come from, and where they go."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
from finetuning_runs import contents, train_on_two_replicas

from bert_tf.checkpoints import conversion, quantization_ranges
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.quantization_ranges import ProductRanges, Range
from bert_tf.checkpoints.workdir import (
    checkpoint_path,
    list_checkpoints,
    resolve_checkpoint,
)
from bert_tf.compression.int8_products import SHARES, int8_products
from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.compression.quantization import QuantizationTask
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models.variables import named_variables, trained_variables
from bert_tf.tasks.classification import ClassificationTask
from bert_tf.tasks.settings import CausalLmSettings
from bert_tf.training import finetuning

CONFIG = BertConfig(
    vocab_size=17,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=10,
)
OUTPUT = "bert/encoder/layer_0/output/dense/kernel"
QUERY = "bert/encoder/layer_0/attention/self/query/kernel"


@pytest.fixture
def config(finetuning_config, make_weights, tmp_path):
    weights = make_weights(config=CONFIG)
    save_model_folder(
        tmp_path / "wide",
        config=weights.config,
        variables={name: 0.3 * value for name, value in weights.variables.items()},
        vocabulary=weights.vocabulary,
    )
    return dataclasses.replace(
        finetuning_config,
        init_from=str(tmp_path / "wide"),
        quantization=QuantizationConfig(export="int8", freeze_ratio=0.5),
        log_interval=1,
    ).validate()


def ranges_of(folder):
    return {
        name: each.array
        for name, each in quantization_ranges.from_variables(
            folder.path, folder.variables
        ).items()
    }


@pytest.mark.slow
def test_a_run_and_going_on_with_it(config, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finetuning.train_and_evaluate(config, whole)
    second, fourth, sixth = (
        resolve_checkpoint(checkpoint_path(whole, step)) for step in (2, 4, 6)
    )
    found = ranges_of(sixth)
    assert len(found) == 13
    for limits in found.values():
        assert (limits[:, 0] < limits[:, 1]).all()
    # Frozen after half of the steps, while the model goes on.
    before, after = ranges_of(second)[QUERY], ranges_of(fourth)[QUERY]
    assert (before != after).any()
    np.testing.assert_array_equal(after, found[QUERY])
    assert (fourth.variables[QUERY] != sixth.variables[QUERY]).any()
    # Query, key and value look at the same tensor.
    key = found[QUERY.replace("query", "key")]
    np.testing.assert_array_equal(found[QUERY][0], key[0])
    assert "Trained for int8" in (whole / "README.md").read_text()

    shutil.copytree(whole, parts, symlinks=True)
    for checkpoint in list_checkpoints(parts)[1:]:
        shutil.rmtree(checkpoint)
    finetuning.train_and_evaluate(config, parts)
    assert contents(parts) == contents(whole)

    weights = conversion.load_any(whole)
    assert len(weights.ranges) == 13
    assert not any(name.startswith("compression/") for name in weights.variables)
    conversion.save(weights, tmp_path / "native", "native")
    again = conversion.load_any(tmp_path / "native")
    assert again.ranges == weights.ranges and set(again.variables) == set(
        weights.variables
    )


@pytest.mark.slow
def test_with_pruning_and_a_teacher(config, make_weights, tmp_path, losses):
    task = make_task().inner
    model = task.create_model(CONFIG)
    save_model_folder(
        tmp_path / "teacher",
        config=CONFIG,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=make_weights().vocabulary,
        task=task.description,
    )
    pruning = PruningConfig(
        "magnitude",
        final_sparsity=0.5,
        warmup_ratio=0.0,
        cooldown_ratio=0.5,
        update_interval=1,
    )
    config = dataclasses.replace(
        config,
        num_train_epochs=1.0,
        pruning=pruning,
        distillation=dataclasses.replace(
            config.distillation, teacher=str(tmp_path / "teacher")
        ),
    ).validate()
    finetuning.train_and_evaluate(config, tmp_path / "workdir")
    weights = conversion.load_any(tmp_path / "workdir")
    assert len(weights.ranges) == 13
    kernel = weights.variables[QUERY]
    assert np.mean(kernel == 0) == 0.5
    # Its int8 numbers are 0 in the same places.
    scale = np.abs(kernel).max(axis=0) / 127
    assert (np.rint(kernel / scale)[kernel == 0] == 0).all()
    assert any("soft" in name for name in losses(tmp_path / "workdir")[1])


@pytest.mark.slow
def test_ranges_are_those_of_the_batch_however_it_is_cut_up(config, tmp_path):
    config = dataclasses.replace(
        config, hidden_dropout_prob=0.0, classifier_dropout=0.0, num_train_epochs=1.0
    )
    finetuning.train_and_evaluate(config, tmp_path / "whole")
    halves = dataclasses.replace(config, accumulation_steps=2)
    finetuning.train_and_evaluate(halves, tmp_path / "halves")
    train_on_two_replicas(config, tmp_path / "replicas")
    whole = ranges_of(resolve_checkpoint(tmp_path / "whole"))
    for name in ("halves", "replicas"):
        found = ranges_of(resolve_checkpoint(tmp_path / name))
        for weight, limits in whole.items():
            np.testing.assert_allclose(found[weight], limits, atol=0.05, err_msg=weight)


def make_task():
    from bert_tf.checkpoints.task_description import TaskDescription

    inner = ClassificationTask(TaskDescription("classification", 8, ("bad", "good")))
    quantization = QuantizationConfig(export="int8", ema_decay=0.75, freeze_ratio=0.5)
    return QuantizationTask(inner, quantization, num_steps=4)


def batch(seed):
    ids = np.random.default_rng(seed).integers(5, 17, [4, 8])
    ones = np.ones_like(ids)
    given = {"input_ids": ids, "input_mask": ones, "segment_ids": 0 * ids}
    return {name: tf.constant(value, tf.int32) for name, value in given.items()}


@pytest.mark.slow
def test_ranges_are_means_of_the_steps_extremes():
    task = make_task()
    # Dropout would scale what the products are given.
    model = task.create_model(
        dataclasses.replace(CONFIG, hidden_dropout_prob=0.0), seed=3
    )
    product = int8_products(model)[QUERY]
    expected = None
    for step in range(4):
        extremes = []
        for seed in (2 * step, 2 * step + 1):  # Two micro-batches.
            given = batch(seed)
            task.apply(model, given, training=True)
            embedded = model.bert.embeddings(given["input_ids"], given["segment_ids"])
            extremes += [np.min(embedded), np.max(embedded)]
        # Evaluation looks at nothing.
        task.apply(model, batch(99))
        applies, last = tf.constant(step != 1), tf.constant(step, tf.int64)
        task.end_step(model, last, applies, lambda values: values)
        new = np.array([min(extremes), max(extremes)])
        if step == 0:
            expected = new
        # The second step is not applied, and after half of the steps ranges stay.
        limits = np.asarray(product.limits.ranges)
        np.testing.assert_allclose(limits[0], expected, rtol=1e-5)
        assert np.isneginf(product.observed.numpy()).all()

    bounded = int8_products(model)[OUTPUT]
    bounds = np.asarray(bounded.limits.bounds)
    assert (bounds > 0).all() and len({*bounds}) == CONFIG.hidden_size
    np.testing.assert_allclose(bounded.limits.ranges[1], SHARES)

    task.apply(model, batch(1), training=True)
    task.end_step(model, tf.constant(1, tf.int64), tf.constant(True), lambda v: v)
    embedded = model.bert.embeddings(batch(1)["input_ids"], None)
    new = np.array([np.min(embedded), np.max(embedded)])
    limits = np.asarray(product.limits.ranges)
    np.testing.assert_allclose(limits[0], 0.75 * expected + 0.25 * new, rtol=1e-5)


@pytest.mark.slow
def test_computing_blocks_twice_and_compiling_the_step_change_nothing():
    def step(jit_compile, rematerialize):
        task = make_task()
        model = task.create_model(CONFIG, seed=3, rematerialize=rematerialize)
        variables = list(trained_variables(model).values())

        @tf.function(autograph=False, jit_compile=jit_compile)
        def gradients(given):
            with tf.GradientTape() as tape:
                seed = tf.constant([1, 2])
                outputs = task.apply(model, given, training=True, dropout_seed=seed)
                loss = tf.reduce_sum(tf.square(outputs["logits"]))
            return tape.gradient(loss, [v.value for v in variables])

        found = [tf.convert_to_tensor(each) for each in gradients(batch(1))]
        seen = [each.observed.numpy() for each in int8_products(model).values()]
        return found, np.concatenate(seen)

    expected, expected_seen = step(jit_compile=False, rematerialize=False)
    for arguments in ((False, True), (True, False)):
        found, seen = step(*arguments)
        # A sum between two steps may go either way when it is compiled otherwise.
        for one, other in zip(found, expected, strict=True):
            scale = np.abs(other).max()
            assert np.abs(one - other).mean() < 1e-2 * scale + 1e-7
        np.testing.assert_allclose(seen, expected_seen, atol=1e-2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization": QuantizationConfig(export="int4")}, "must be 'int8'"),
        ({"quantization": QuantizationConfig(ema_decay=1.0)}, "in \\[0, 1\\)"),
        ({"quantization": QuantizationConfig(freeze_ratio=0.0)}, "in \\(0, 1\\]"),
        ({"precision": "bfloat16"}, "--config.precision=float32"),
        ({"task": CausalLmSettings()}, "cannot train 'causal_lm'"),
    ],
)
def test_what_cannot_be_trained(config, changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(config, **changes).validate()


def test_a_model_that_int8_files_keep_in_float32_is_refused():
    narrow = dataclasses.replace(CONFIG, hidden_size=8, intermediate_size=8)
    with pytest.raises(InputError, match="fewer than 1,024 numbers in float32"):
        make_task().create_model(narrow)


RANGES = {
    QUERY: ProductRanges(Range(-1.0, 2.0), Range(-3.0, 4.5)),
    OUTPUT: ProductRanges(Range(-1.0, 2.0), Range(-1.0, 1.0), (0.5, 2.0, 8.0)),
}


def test_other_formats_leave_ranges_out_and_say_so(make_weights, tmp_path):
    weights = make_weights(ranges=RANGES)
    conversion.save(weights, tmp_path / "native", "native")
    assert conversion.load_any(tmp_path / "native").ranges == RANGES
    assert not weights.notes
    conversion.save(weights, tmp_path / "tf1", "tf1")
    assert "only model folders keep them" in weights.notes[0]
    assert conversion.load_any(tmp_path / "tf1").ranges == {}
    with pytest.raises(InputError, match="the ranges of int8 training"):
        conversion.save(weights, tmp_path / "strict", "tf1", strict=True)


def test_other_layers_have_other_ranges(make_weights):
    from bert_tf.checkpoints.conversion import resizing

    fewer = resizing.with_layers(make_weights(ranges=RANGES), 2)
    assert fewer.ranges == {} and "ranges of int8" in fewer.notes[-1]


def test_damaged_bounds_are_refused():
    variables = quantization_ranges.to_variables(RANGES)
    variables[f"compression/quantization/bounds/{OUTPUT}"][1] = 0.0
    with pytest.raises(InputError, match="must be positive and finite"):
        quantization_ranges.from_variables("here", variables)


@pytest.mark.parametrize(
    "array", [[[1.0, -1.0], [0.0, 1.0]], [[0.0, np.nan], [0.0, 1.0]], [[0.0, 1.0]]]
)
def test_damaged_ranges_are_refused(array):
    name = f"compression/quantization/ranges/{QUERY}"
    with pytest.raises(InputError, match="must hold two ranges"):
        quantization_ranges.from_variables("here", {name: np.array(array)})
