"""float16 gradients that really overflow: passed over, counted, never a NaN in a file.

Weights so large that the first gradients do not fit while losses do.
"""

import dataclasses
import json
import math

import numpy as np
import pytest

from bert_tf.checkpoints.workdir import checkpoint_path, newest_checkpoint
from bert_tf.training.loop import TrainingStopped

STEPS = 12


def config(toy, **overrides):
    model = dataclasses.replace(toy.without_dropout(), initializer_range=2.0)
    settings = {"precision": "float16", "num_train_steps": STEPS} | overrides
    return toy.config(model=model, **settings)


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@pytest.fixture(scope="module")
def overflowed(toy):
    """A run that logs and saves each step."""
    settings = {"checkpoint_interval": 1, "keep_checkpoints": STEPS}
    return toy.train("overflowed", config(toy, **settings))


def test_they_are_counted_and_change_nothing(overflowed, losses):
    lines = losses(overflowed)
    passed_over = [step for step, line in lines.items() if "overflowed_steps" in line]
    assert 3 <= len(passed_over) < STEPS
    for step, line in lines.items():
        assert (
            ("loss" in line) == ("gradient_norm" in line) == (step not in passed_over)
        )
    scale, _ = newest_checkpoint(overflowed).training_state["loss_scale"]
    assert len(passed_over) == math.log2(65536 / scale)
    before, after = (
        (checkpoint_path(overflowed, step) / "model.safetensors").read_bytes()
        for step in passed_over[:2]
    )
    assert before == after


def test_no_file_holds_what_json_has_no_words_for(overflowed):
    paths = [*overflowed.rglob("*.json"), overflowed / "metrics.jsonl"]
    assert len(paths) > 4 * STEPS
    for path in paths:
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else None
        for text in lines or [path.read_text()]:
            json.loads(text, parse_constant=refuse)


def test_means_are_those_of_the_other_steps(toy, overflowed, losses):
    """Also of a line that begins before a checkpoint and ends after a resume."""
    workdir = toy.folder / "overflowed-mean"
    settings = {"log_interval": STEPS, "checkpoint_interval": 5}
    toy.train("overflowed-mean", config(toy, **settings))
    for name in ("checkpoints/step-00000012/checkpoint.json", "metrics.jsonl"):
        (workdir / name).unlink()
    toy.train("overflowed-mean", config(toy, **settings))

    line = losses(workdir)[STEPS]
    single = losses(overflowed).values()
    assert line["overflowed_steps"] == sum(
        "overflowed_steps" in each for each in single
    )
    norms = [each["gradient_norm"] for each in single if "gradient_norm" in each]
    assert line["gradient_norm"] == pytest.approx(np.mean(norms))


def test_a_loss_that_no_scale_helps_stops_the_run(toy):
    optimizer = dataclasses.replace(toy.config().optimizer, learning_rate=1e30)
    settings = config(toy, optimizer=optimizer, num_train_steps=60)
    with pytest.raises(TrainingStopped, match="is not finite"):
        toy.train("no-scale", settings)
    state = newest_checkpoint(toy.folder / "no-scale").training_state
    assert np.isfinite(list(state["window"].values())).all()


def test_an_evaluation_that_is_not_finite_is_never_the_best(toy, losses, monkeypatch):
    """A NaN compares as neither less nor greater; the first one must not stay."""
    from bert_tf.training import evaluation

    values = iter([math.nan, 3.0, math.inf, 2.0])

    def evaluate(self):
        loss = next(values)
        names = ("loss", "masked_lm_loss", "masked_lm_perplexity")
        return {**dict.fromkeys(names, loss), "masked_lm_accuracy": 0.5}

    monkeypatch.setattr(evaluation.Evaluator, "evaluate", evaluate)
    settings = {"num_train_steps": 4, "eval_interval": 1, "checkpoint_interval": 4}
    workdir = toy.train("nan-evaluation", toy.config(**settings))
    state = newest_checkpoint(workdir).training_state
    assert (state["best_value"], state["best_step"]) == (2.0, 4)
    found = [line["loss"] for line in losses(workdir, "eval").values()]
    assert found == [None, 3.0, None, 2.0]
