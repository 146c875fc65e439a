"""Whole runs in this process."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.checkpoints.workdir import best_path, newest_checkpoint, resolve_checkpoint
from bert_tf.config import DataConfig, OptimizerConfig
from bert_tf.data.dataset import Dataset
from bert_tf.storage.example_codec import decode_example
from bert_tf.storage.tfrecord import HEADER_SIZE, read_records
from bert_tf.training import loop
from bert_tf.training.config import PhaseConfig
from bert_tf.training.loop import TrainingStopped
from bert_tf.training.phase import Intervals
from bert_tf.training.run import enter_phase
from bert_tf.training.state import TrainingState


@pytest.fixture(scope="module")
def learned(toy, dataset_writer):
    """A run long enough to learn what follows what, with all that it leaves behind."""
    train_dir = dataset_writer(toy.folder / "learnable", num_records=4000)
    config = toy.config(
        # Large initial weights: attention that starts uniform takes long to leave that.
        model=dataclasses.replace(toy.without_dropout(), initializer_range=0.1),
        data=dataclasses.replace(
            toy.config().data, train_dir=str(train_dir), global_batch_size=64
        ),
        optimizer=OptimizerConfig(
            learning_rate=3e-3, warmup_steps=20, beta_2=0.98, bias_correction=True
        ),
        num_train_steps=200,
        steps_per_call=20,
        log_interval=20,
        eval_interval=50,
        checkpoint_interval=100,
        profile_step=30,
    )
    return toy.train("learned", config)


def test_it_learns_from_context(learned):
    """Each token follows from its neighbors, and no token is more frequent."""
    results = json.loads((learned / "eval.json").read_text())
    assert results["unigram_accuracy"] < 0.1
    assert results["masked_lm_accuracy"] > 0.5
    assert results["next_sentence_accuracy"] > 0.9
    assert results["masked_lm_loss"] < 0.5 * results["unigram_loss"]


def test_the_results_are_the_last_evaluations(learned):
    results = json.loads((learned / "eval.json").read_text())
    assert results["masked_lm_perplexity"] == pytest.approx(
        np.exp(results["masked_lm_loss"])
    )
    assert results["step"] == 200
    assert results["parameters"] == sum(
        array.size for array in resolve_checkpoint(learned).variables.values()
    )


def test_the_workdir_is_complete(learned):
    names = {path.name for path in learned.iterdir()}
    assert names == {
        ".lock",
        "checkpoints",
        "config.json",
        "data.json",
        "eval.json",
        "metrics.jsonl",
        "profile",
        "report.html",
        "report.md",
        "tensorboard",
        "tokenizer_config.json",
        "vocab.txt",
    }
    assert any((learned / "profile").rglob("*.pb"))
    assert resolve_checkpoint(learned).step == 200
    best = json.loads((learned / "eval.json").read_text())["best_step"]
    assert load_model_folder(best_path(learned)).step == best


def test_the_report_stands_alone(learned):
    page = (learned / "report.html").read_text()
    assert not re.search(r"(src|href)=|https?:", page)
    assert page.count("<svg") == 6
    for text in (
        "[MASK]",
        "masked_lm_accuracy",
        "optimizer.learning_rate",
        "processor",
    ):
        assert text in page
        assert text in (learned / "report.md").read_text()


def test_tensorboard_reads_the_scalars(learned):
    import tensorflow as tf

    (path,) = (learned / "tensorboard").glob("events*")
    found = {}
    for record in read_records(path):
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            found[event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    lines = map(json.loads, (learned / "metrics.jsonl").read_text().splitlines())
    for line in lines:
        tag = f"{line['split']}/loss"
        assert found[line["step"], tag] == pytest.approx(line["loss"], rel=1e-6)


def test_a_run_can_start_from_the_weights_of_another(toy, learned, losses):
    config = toy.config(
        model=toy.without_dropout(),
        init_from=str(learned),
        num_train_steps=1,
        optimizer=OptimizerConfig(learning_rate=1e-30, warmup_steps=0),
    )
    workdir = toy.train("from-another", config)
    before, after = losses(learned, "eval")[200], losses(workdir, "eval")[1]
    assert after["loss"] == pytest.approx(before["loss"], rel=1e-5)


def test_two_phases_go_on_with_one_schedule(toy, losses, dataset_writer):
    longer = dataset_writer(
        toy.folder / "longer",
        max_seq_length=24,
        max_predictions_per_seq=4,
        num_records=40,
    )
    config = toy.config(
        num_train_steps=6,
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=0),
        phase_2=PhaseConfig(
            data=DataConfig(
                train_dir=str(longer),
                max_seq_length=24,
                max_predictions_per_seq=4,
                global_batch_size=8,
            ),
            num_train_steps=4,
        ),
    )
    rates = [line["learning_rate"] for line in losses(toy.train("2", config)).values()]
    assert rates == pytest.approx([1e-3 * (1 - step / 10) for step in range(10)])

    anew = dataclasses.replace(
        config.phase_2,
        optimizer=OptimizerConfig(name="lamb", learning_rate=2e-3, warmup_steps=2),
    )
    workdir = toy.train("2-anew", dataclasses.replace(config, phase_2=anew))
    rates = [line["learning_rate"] for line in losses(workdir).values()]
    assert rates[:6] == pytest.approx([1e-3 * (1 - step / 6) for step in range(6)])
    assert rates[6:] == pytest.approx([0, 1e-3, 1e-3, 5e-4])


@pytest.fixture
def steps_taken(monkeypatch):
    """The input ids of each step that the training function is given, in order."""
    steps, inputs = [], loop._inputs

    def spy(run, data):
        # `[local replicas, micro-batches, batch, S]`: a step's examples stand one
        # replica's share after the other in each of its micro-batches.
        ids = np.moveaxis(data.batches["input_ids"], 0, 1)
        first = 0
        for count in data.micro_batches.numpy()[: len(data.call.steps)]:
            steps.append(ids[first : first + count].reshape(-1, ids.shape[-1]))
            first += count
        return inputs(run, data)

    monkeypatch.setattr(loop, "_inputs", spy)
    return steps


@pytest.mark.parametrize("accumulation_steps", [3, 6])
def test_a_growing_batch_takes_every_example_once(
    toy, losses, steps_taken, accumulation_steps
):
    """In the same order and the same batches, whatever the micro-batches.

    200 records: the nine steps go on into a second epoch. The run is interrupted and
    goes on with other micro-batches.
    """
    data = dataclasses.replace(
        toy.config().data,
        global_batch_size=48,
        initial_batch_size=16,
        batch_ramp_steps=4,
    )
    config = toy.config(
        data=data,
        accumulation_steps=accumulation_steps,
        num_train_steps=9,
        checkpoint_interval=5,
        eval_interval=0,
    )
    name = f"ramp-{accumulation_steps}"
    workdir = toy.train(name, config)
    assert [len(ids) for ids in steps_taken] == [16, 16, 32, 32, *[48] * 5]
    dataset = Dataset.open(toy.train_dir)
    expected = dataset.examples(seed=config.seed).read(range(2 * 16 + 2 * 32 + 5 * 48))
    decoded = [decode_example(e, dataset.features)["input_ids"] for e in expected]
    np.testing.assert_array_equal(np.concatenate(steps_taken), decoded)
    epoch = {ids.tobytes() for ids in np.concatenate(steps_taken)[:200]}
    assert len(epoch) == len({ids.tobytes() for ids in decoded}) > 150

    before, whole = losses(workdir), list(steps_taken)
    shutil.rmtree(workdir / "checkpoints" / "step-00000009")
    steps_taken.clear()
    others = 9 - accumulation_steps
    toy.train(name, dataclasses.replace(config, accumulation_steps=others))
    for again, first in zip(steps_taken, whole[5:], strict=True):
        np.testing.assert_array_equal(again, first)
    assert list(losses(workdir)) == list(before)


def test_a_loss_that_is_not_finite_stops_the_run(toy):
    config = toy.config(optimizer=OptimizerConfig(learning_rate=1e30, warmup_steps=0))
    with pytest.raises(TrainingStopped, match=r"step 2 is not finite.*step-00000001"):
        toy.train("diverged", config)
    saved = newest_checkpoint(toy.folder / "diverged")
    assert saved.step == 1


def test_a_warm_up_without_an_end_is_pointed_out(toy, caplog):
    def warning(name, warmup_steps):
        caplog.clear()
        optimizer = OptimizerConfig(learning_rate=3e-3, warmup_steps=warmup_steps)
        toy.train(name, toy.config(optimizer=optimizer, num_train_steps=2))
        return caplog.text

    assert (
        "never gets to 0.003: its warm-up takes 1,000 steps, and the schedule has 2"
        in (warning("warming-up", 1000))
    )
    assert "warm-up" not in warning("warmed-up", 1)


def test_training_stops_early(toy, losses, capsys):
    config = toy.config(
        optimizer=OptimizerConfig(learning_rate=1e-30, warmup_steps=0),
        eval_interval=5,
        early_stopping_evaluations=2,
    )
    workdir = toy.train("early", config)
    assert max(losses(workdir)) == 15
    assert load_model_folder(best_path(workdir)).step == 5
    best = re.search(
        r"Step 5 was better, loss (.*): (.*best)\. ", capsys.readouterr().out
    )
    assert float(best[1]) == pytest.approx(losses(workdir, "eval")[5]["loss"], abs=1e-4)
    assert best[2] == str(best_path(workdir))
    toy.train("early", config)
    assert max(losses(workdir)) == 15


def test_a_damaged_record_stops_the_run_or_is_counted(toy, losses, dataset_writer):
    folder = dataset_writer(toy.folder / "damaged-data", num_records=48, num_shards=2)
    path = folder / "toy.tfrecord-00001-of-00002"
    content = bytearray(path.read_bytes())
    content[HEADER_SIZE + 3] ^= 0xFF
    path.write_bytes(content)
    data = dataclasses.replace(toy.config().data, train_dir=str(folder))
    config = toy.config(data=data, num_train_steps=3)
    with pytest.raises(ValueError, match="00001-of-00002: the record at byte 0 does"):
        toy.train("damage-stops", config)
    data = dataclasses.replace(data, skip_damaged_records=True)
    workdir = toy.train("damage-counted", dataclasses.replace(config, data=data))
    assert losses(workdir)[3]["damaged_records"] == 1


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_learns(toy, losses, precision):
    config = toy.config(
        model=toy.without_dropout(), precision=precision, num_train_steps=60
    )
    values = losses(toy.train(precision, config))
    exact = losses(toy.train("float32", toy.config(model=toy.without_dropout())))
    assert values[1]["loss"] == pytest.approx(exact[1]["loss"], rel=0.01)
    assert values[60]["loss"] < values[1]["loss"]
    folder = resolve_checkpoint(toy.folder / precision)
    assert {array.dtype for array in folder.variables.values()} == {np.dtype("float32")}


def test_a_batch_that_does_not_divide_is_refused(toy):
    data = dataclasses.replace(toy.config().data, initial_batch_size=6)
    config = toy.config(data=data, accumulation_steps=4)
    with pytest.raises(ValueError, match="must be a multiple of replicas times"):
        toy.train("indivisible", config)


def test_calls_end_where_something_is_due():
    intervals = Intervals(log=8, save=20, evaluate=[0], steps_per_call=10)
    calls = list(intervals.plan(0, 30))
    assert [call.steps.stop for call in calls] == [8, 16, 20, 24, 30]
    assert [step for call in calls for step in call.steps] == list(range(30))
    assert [call.log for call in calls] == [True, True, False, True, True]
    assert [call.save for call in calls] == [False, False, True, False, True]
    assert [call.evaluate for call in calls] == [(), (), (), (), (0,)]


@pytest.mark.golden
def test_the_first_losses_are_what_they_were(toy, losses, request):
    workdir = toy.train("golden", toy.config(num_train_steps=20))
    found = [line["loss"] for line in losses(workdir).values()]
    path = request.path.parents[2] / "golden" / "pretraining_losses.json"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    assert found == pytest.approx(json.loads(path.read_text()), rel=1e-4)


@pytest.fixture(scope="module")
def two_phases(toy, dataset_writer):
    """Nothing is learned, so that the first phase stops early, after 15 steps."""
    longer = toy.folder / "longer-phase"
    for name in ("train", "eval"):
        dataset_writer(
            longer / name, max_seq_length=24, max_predictions_per_seq=4, num_records=40
        )
    config = toy.config(
        optimizer=OptimizerConfig(learning_rate=1e-30, warmup_steps=0),
        eval_interval=5,
        early_stopping_evaluations=2,
        keep_checkpoints=10,
        phase_2=PhaseConfig(
            data=DataConfig(
                train_dir=str(longer / "train"),
                eval_dir=str(longer / "eval"),
                max_seq_length=24,
                max_predictions_per_seq=4,
                global_batch_size=8,
            ),
            num_train_steps=5,
        ),
    )
    return toy.train("two-phases", config), config


def test_an_early_stop_ends_its_phase_and_not_the_run(toy, two_phases, losses):
    workdir, config = two_phases
    assert sorted(losses(workdir, "eval")) == [5, 10, 15, 20]
    state = newest_checkpoint(workdir).training_state
    assert (state["phase"], state["phase_start"], state["step"]) == (1, 15, 20)
    toy.train("two-phases", config)
    assert sorted(losses(workdir, "eval")) == [5, 10, 15, 20]


def test_each_phase_has_a_best_of_its_own(two_phases, losses):
    """The second phase's held-out examples are others: losses can't be compared."""
    workdir, _ = two_phases
    second = losses(workdir, "eval")[20]
    assert load_model_folder(best_path(workdir)).step == 20
    assert json.loads((workdir / "eval.json").read_text())["loss"] == second["loss"]
    state = TrainingState(step=15, best_value=0.1, best_step=5)
    enter_phase(state, 1, 40)
    assert (state.best_value, state.evaluations_since_best) == (None, 0)
    assert state.phase_start == 15


def test_a_checkpoint_knows_the_lengths_of_its_own_phase(two_phases):
    workdir, _ = two_phases
    lengths = {
        folder.step: (
            folder.task.max_seq_length,
            folder.task.settings["max_predictions_per_seq"],
        )
        for folder in map(load_model_folder, workdir.glob("checkpoints/step-*"))
    }
    assert lengths[10] == lengths[15] == (16, 3)
    assert lengths[20] == (24, 4)


@pytest.mark.parametrize("accumulation_steps", [2, 4])
def test_an_evaluation_takes_the_same_examples_in_any_cut(
    toy, losses, accumulation_steps
):
    config = toy.config(
        model=toy.without_dropout(), num_train_steps=1, eval_examples=21
    )
    whole = losses(toy.train("eval-whole", config), "eval")[1]
    config = dataclasses.replace(config, accumulation_steps=accumulation_steps)
    name = f"eval-cut-{accumulation_steps}"
    cut = losses(toy.train(name, config), "eval")[1]
    assert cut == pytest.approx(whole, rel=1e-5)
