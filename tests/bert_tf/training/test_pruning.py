"""Magnitude and movement pruning of a run, and what becomes of its masks."""

import dataclasses
import json
import shutil

import finetuning_runs
import numpy as np
import pytest
from finetuning_runs import contents, tiny_run, train_on_two_replicas

import bert_tf
from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import best_path, list_checkpoints, resolve_checkpoint
from bert_tf.compression import int8_products
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError, validated
from bert_tf.storage.json_files import read_json
from bert_tf.tasks.inference import Inference

pytestmark = pytest.mark.slow

MASKS = "compression/pruning/masks/"
SCORES = "compression/pruning/scores/"
MAGNITUDE = PruningConfig(
    "magnitude", 0.75, warmup_ratio=0.2, cooldown_ratio=0.3, update_interval=1
)
MOVEMENT = dataclasses.replace(MAGNITUDE, method="movement")
SOFT = PruningConfig(
    "soft_movement",
    regularization=200.0,
    score_learning_rate=1.0,
    score_threshold=0.3,
    cooldown_ratio=0.1,
    update_interval=1,
)


@pytest.fixture(scope="module")
def config(tmp_path_factory, make_weights):
    """Ten steps of a tiny model with dropout."""
    weights = make_weights(
        config=BertConfig(17, 8, 2, 2, 12, max_position_embeddings=10)
    )
    tiny = tiny_run(tmp_path_factory.mktemp("pruning"), weights, num_examples=40)
    return dataclasses.replace(
        tiny,
        data=dataclasses.replace(tiny.data, eval=tiny.data.train),
        checkpoint_interval=4,
        eval_interval=4,
        hidden_dropout_prob=0.1,
    )


def train(config, workdir, pruning, **changes):
    config = dataclasses.replace(config, pruning=pruning, **changes)
    return finetuning_runs.train(config, workdir)


def named(variables, prefix):
    return {n.removeprefix(prefix): v for n, v in variables.items() if prefix in n}


@pytest.fixture(scope="module")
def runs(config, tmp_path_factory):
    """Runs by method, each made when it is asked for."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def of(pruning):
        if pruning.method not in made:
            made[pruning.method] = train(config, folder / pruning.method, pruning)
        return made[pruning.method]

    return of


@pytest.mark.parametrize("pruning", [MAGNITUDE, MOVEMENT], ids=lambda p: p.method)
def test_zeros_grow_by_the_schedule_and_stay_in_the_model(runs, pruning):
    workdir = runs(pruning)
    for folder in map(resolve_checkpoint, list_checkpoints(workdir)):
        done = np.clip((folder.step - 2) / 5, 0, 1)  # Of steps 3 to 7 of 10.
        sparsity = 0.75 * (1 - (1 - done) ** 3)
        found = named(folder.variables, MASKS)
        assert len(found) == 2 * 6
        weights = conversion.load_any(folder.path)
        for name, mask in found.items():
            assert mask.sum() == round((1 - sparsity) * mask.size), name
            kernel = weights.variables[name]
            np.testing.assert_array_equal(kernel != 0, mask != 0)
            np.testing.assert_array_equal(kernel, folder.variables[name] * mask)
            if pruning is MOVEMENT:
                scores = folder.variables[SCORES + name]
                assert np.abs(scores).max() > 0
    results = read_json(workdir / "eval.json")
    assert results["encoder_sparsity"] == pytest.approx(0.75)
    assert "Pruned weights" in (workdir / "report.md").read_text()
    card = (workdir / "README.md").read_text()
    assert f"Pruned by {pruning.method}: 75% of the weights of the encoder" in card
    # The best is one of those that lost all that they are to lose.
    assert resolve_checkpoint(best_path(workdir)).step in (8, 10)
    # To others it is an ordinary model, and computes what training evaluated.
    model = bert_tf.load(workdir)
    source = model.task.open_held_out(
        read_json(workdir / "config.json")["data"]["eval"], model.vocabulary
    )
    outputs = Inference(model.task, model.model).run(source)
    scored = model.task.score(source, outputs)
    assert scored["nll"] == pytest.approx(results["nll"], abs=1e-5)
    assert not any("compression" in v.path for v in model.model.weights)


def test_magnitude_keeps_the_largest(runs):
    folder = resolve_checkpoint(runs(MAGNITUDE))
    # Masks are of the weights before the last step, which moves them a little.
    for name, mask in named(folder.variables, MASKS).items():
        kernel = np.abs(folder.variables[name])
        assert kernel[mask == 1].min() > kernel[mask == 0].max() - 0.05


def test_movement_is_by_the_scores_of_all_kernels_together(config, tmp_path):
    pruning = dataclasses.replace(MOVEMENT, scope="global", block=(2, 4))
    workdir = train(config, tmp_path / "workdir", pruning)
    folder = resolve_checkpoint(workdir)
    found = named(folder.variables, MASKS)
    sizes = [mask.size for mask in found.values()]
    assert sum(mask.sum() for mask in found.values()) == round(0.25 * sum(sizes))
    shares = {round(float(mask.mean()), 3) for mask in found.values()}
    assert len(shares) > 1
    weights = conversion.load_any(workdir)
    for name, mask in found.items():
        assert mask.shape == tuple(
            np.floor_divide(weights.variables[name].shape, (2, 4))
        )
        whole = np.kron(mask, np.ones((2, 4)))
        np.testing.assert_array_equal(weights.variables[name] != 0, whole != 0)


def test_soft_movement_is_pushed_below_its_threshold(runs, losses):
    workdir = runs(SOFT)
    folder = resolve_checkpoint(workdir)
    found = named(folder.variables, MASKS)
    share = sum(m.sum() for m in found.values()) / sum(m.size for m in found.values())
    assert 0 < share < 1
    assert read_json(workdir / "eval.json")["encoder_sparsity"] == pytest.approx(
        1 - share
    )
    lines = losses(workdir)
    assert lines[1]["pruning_loss"] == 0  # In warm-up.
    assert lines[3]["pruning_loss"] > 0
    assert folder.variables["compression/pruning/strength"] == 200
    for name, mask in found.items():
        assert set(np.unique(mask)) <= {0, 1}, name


def test_scores_learn_at_a_rate_of_their_own(config, tmp_path):
    slow = dataclasses.replace(SOFT, score_learning_rate=1e-4)
    workdir = train(config, tmp_path / "workdir", slow)
    assert read_json(workdir / "eval.json")["encoder_sparsity"] == 0


@pytest.mark.parametrize("pruning", [MOVEMENT, SOFT], ids=lambda p: p.method)
def test_it_goes_on_to_the_same_bytes(runs, config, tmp_path, pruning):
    pruning = dataclasses.replace(pruning, update_interval=3)
    workdir = train(config, tmp_path / "workdir", pruning)
    before = contents(workdir)
    for checkpoint in list_checkpoints(workdir)[1:]:
        shutil.rmtree(checkpoint)  # As if killed after step 4, a choice at step 3.
    best_path(workdir).unlink(missing_ok=True)
    train(config, workdir, pruning)
    assert contents(workdir) == before


@pytest.mark.parametrize("pruning", [MOVEMENT, SOFT], ids=lambda p: p.method)
def test_batches_may_be_cut_up_in_any_way(config, tmp_path, pruning):
    """Into micro-batches, packed rows, replicas: but for rounding it is the same."""
    config = dataclasses.replace(
        config, hidden_dropout_prob=0.0, num_train_epochs=0.8, eval_interval=0
    )
    whole = train(config, tmp_path / "whole", pruning)
    train(config, tmp_path / "accumulated", pruning, accumulation_steps=2)
    data = dataclasses.replace(config.data, pack_examples=False)
    train(config, tmp_path / "padded", pruning, data=data)
    config = dataclasses.replace(config, pruning=pruning)
    train_on_two_replicas(config, tmp_path / "replicas")
    expected = resolve_checkpoint(whole).variables
    for name in ("accumulated", "padded", "replicas"):
        received = resolve_checkpoint(tmp_path / name).variables
        # Scores that are nearly equal may change places.
        differ = [np.abs(received[n] - v).ravel() > 2e-3 for n, v in expected.items()]
        assert np.concatenate(differ).mean() < 0.02, name


@pytest.mark.parametrize(
    "changes", [{"precision": "bfloat16"}, {"rematerialize": True}], ids=str
)
def test_in_mixed_precision_and_rematerialized(config, tmp_path, changes):
    workdir = train(config, tmp_path / "workdir", MOVEMENT, **changes)
    folder = resolve_checkpoint(workdir)
    for name, mask in named(folder.variables, MASKS).items():
        assert mask.sum() == round(0.25 * mask.size), name
        assert np.abs(folder.variables[SCORES + name]).max() > 0
    assert read_json(workdir / "eval.json")["encoder_sparsity"] == pytest.approx(0.75)


@pytest.mark.parametrize("pruning", [MOVEMENT, SOFT], ids=lambda p: p.method)
def test_between_the_other_methods(runs, config, tmp_path, pruning, monkeypatch):
    """Around distillation, inside of quantization-aware training."""
    monkeypatch.setattr(int8_products, "MIN_ELEMENTS", 1)  # All weights are small.
    workdir = train(
        config,
        tmp_path / "workdir",
        pruning,
        distillation=TaskDistillationConfig(teacher=str(runs(MAGNITUDE))),
        quantization=QuantizationConfig(export="int8"),
    )
    folder = resolve_checkpoint(workdir)
    weights = conversion.load_any(workdir)
    for name, mask in named(folder.variables, MASKS).items():
        np.testing.assert_array_equal(weights.variables[name] != 0, mask != 0)
        assert np.abs(folder.variables[SCORES + name]).max() > 0
    sparsity = read_json(workdir / "eval.json")["encoder_sparsity"]
    assert sparsity > 0 if pruning is SOFT else sparsity == pytest.approx(0.75)
    card = (workdir / "README.md").read_text()
    assert f"Pruned by {pruning.method}: " in card
    assert "Trained for int8: " in card


def test_off_is_the_run_that_it_was(config, tmp_path):
    """A workdir of before, whose configuration knows no pruning, goes on."""
    config = dataclasses.replace(config, num_train_epochs=0.4)
    workdir = train(config, tmp_path / "workdir", PruningConfig())
    names = resolve_checkpoint(workdir).variables
    assert not any(name.startswith("compression/") for name in names)
    values = read_json(workdir / "config.json")
    del values["pruning"]
    (workdir / "config.json").write_text(json.dumps(values))
    train(config, workdir, PruningConfig())
    with pytest.raises(InputError, match="another run"):
        train(config, workdir, MOVEMENT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "random"}, "method must be one of"),
        ({"final_sparsity": 1.0}, r"final_sparsity must be in \[0, 1\)"),
        ({"final_sparsity": -0.1}, r"final_sparsity must be in \[0, 1\)"),
        ({"final_sparsity": 0.0}, "final_sparsity` must be above 0 for the methods"),
        ({"method": ""}, "final_sparsity` must be above 0 for the methods"),
        ({"scope": "layer"}, "scope must be one of"),
        ({"block": (4,)}, "block must be two numbers of at least 1"),
        ({"block": (0, 1)}, "block must be two numbers of at least 1"),
        ({"cooldown_ratio": 0.8}, "cooldown_ratio must be below 0.8"),
        ({"warmup_ratio": 1.0}, r"warmup_ratio must be in \[0, 1\)"),
        ({"update_interval": 0}, "update_interval must be at least 1"),
        ({"score_learning_rate": 0.0}, "score_learning_rate must be positive"),
        ({"score_threshold": 0.5}, r"score_threshold must be in \(0, 0.5\)"),
        ({"regularization": -1.0}, "regularization must be at least 0"),
        ({"regularization": 1.0}, "soft_movement has in place of a sparsity"),
        ({"method": "soft_movement"}, "soft_movement has in place of a sparsity"),
    ],
)
def test_what_cannot_be_is_said(config, changes, message):
    pruning = dataclasses.replace(MAGNITUDE, **changes)
    with pytest.raises(InputError, match=message):
        validated(dataclasses.replace(config, pruning=pruning), "--config.")


def test_blocks_must_fit(config, tmp_path):
    pruning = dataclasses.replace(MAGNITUDE, block=(8, 8))
    message = (
        "block` must divide every kernel of the encoder.*intermediate/dense/kernel"
    )
    with pytest.raises(InputError, match=message):
        train(config, tmp_path / "workdir", pruning)
