"""Which run is the best, and how far runs differ."""

import statistics

import numpy as np
import pytest

from bert_tf.errors import InputError
from bert_tf.reporting.sections import to_markdown
from bert_tf.training.run_comparison import Comparison, RunResult, Spread, plain_text


def run(rate, seed, loss, error="", **metrics):
    setting = {"learning_rate": rate} if rate else {}
    values = {} if error else {"loss": loss, **metrics}
    return RunResult(f"rate-{rate}-seed-{seed}", setting, seed, values, error)


def test_spread_is_that_of_numpy():
    values = [0.5, 0.75, 0.625, 1.0]
    spread = Spread.of(values)
    assert spread.mean == np.mean(values)
    assert spread.standard_deviation == pytest.approx(np.std(values, ddof=1))
    assert (spread.min, spread.max) == (0.5, 1.0)
    assert Spread.of([0.5]) == Spread(0.5, None, 0.5, 0.5)


@pytest.mark.parametrize(
    ("losses", "higher_is_better", "best"),
    [
        ([3.0, 1.0, 2.0], False, 1),
        ([3.0, 1.0, 2.0], True, 0),
        ([2.0, 2.0, 2.0], True, 0),
        ([None, 2.0, float("1e30")], True, 2),
    ],
)
def test_the_best_of_several_seeds(losses, higher_is_better, best):
    runs = [run(None, seed, loss) for seed, loss in enumerate(losses)]
    comparison = Comparison.of(runs, "loss", higher_is_better)
    assert comparison.best_run is runs[best]
    assert "the mean over the seeds is what to expect" in comparison.note


def test_the_setting_of_the_best_mean_and_its_best_run():
    # The single best run is of the other setting.
    losses = {1e-5: [0.1, 0.9], 2e-5: [0.4, 0.3]}
    runs = [
        run(rate, seed, loss)
        for rate, values in losses.items()
        for seed, loss in enumerate(values)
    ]
    comparison = Comparison.of(runs, "loss", higher_is_better=False)
    assert comparison.best_run is runs[3]
    assert "so their figures are optimistic" in comparison.note

    written = comparison.to_dict()
    assert written["best_run"] == "rate-2e-05-seed-1"
    assert [each["learning_rate"] for each in written["settings"]] == [1e-5, 2e-5]
    assert written["settings"][1]["metrics"]["loss"] == {
        "mean": 0.35,
        "standard_deviation": pytest.approx(statistics.stdev([0.3, 0.4])),
        "min": 0.3,
        "max": 0.4,
    }
    assert [each["metrics"]["loss"] for each in written["runs"]] == [0.1, 0.9, 0.4, 0.3]
    settings, seeds = map(plain_text, comparison.tables())
    assert settings.splitlines()[0] == "loss of each setting"
    assert settings.splitlines()[3].split() == "2e-05 0.35 0.070711 0.3 0.4".split()
    assert seeds.splitlines()[0] == "2 seeds of learning_rate 2e-05"


def test_a_setting_that_diverged_once_is_not_chosen_and_is_told():
    runs = [
        run(1e-5, 0, 0.5, f1=0.5),
        run(1e-5, 1, 0.7, f1=0.25),
        run(1e-2, 0, 0.1, f1=1.0),
        run(1e-2, 1, None, error="The loss of step 3 is not finite."),
    ]
    comparison = Comparison.of(runs, "loss", higher_is_better=False)
    assert comparison.best_run is runs[0]
    assert comparison.to_dict()["runs"][3]["error"].startswith("The loss of step 3")
    report = to_markdown(comparison.sections())
    assert "| rate-0.01-seed-1 | stopped | stopped |" in report
    assert "rate-0.01-seed-1: The loss of step 3 is not finite." in report
    assert "| 0.01 | 0.1 | one value | 0.1 | 0.1 |" in report

    only = Comparison.of(runs[2:], "loss", higher_is_better=False)
    assert only.best_run is runs[2]


def test_nothing_to_compare():
    runs = [run(None, seed, None, error=f"seed {seed}: NaN.") for seed in (0, 1)]
    with pytest.raises(InputError, match="None of the 2 runs can be .*seed 0: NaN"):
        Comparison.of(runs, "loss", higher_is_better=False)
    with pytest.raises(InputError, match="No run has a finite `loss`"):
        Comparison.of([run(None, 0, None)], "loss", higher_is_better=False)
