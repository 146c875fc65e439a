"""Which exported file is worth shipping."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf.chain.frontier import Point, advice, choose, dominates, frontier


def point(name, mb, ms, quality):
    return Point(name, "tflite", "none", f"runs/{name}/none.tflite", mb, ms, quality)


TEACHER = point("1_finetune", 90.0, 30.0, 0.85)
PRUNED = point("2_prune", 70.0, 30.0, 0.85)
SMALL = point("3_distil", 40.0, 15.0, 0.845)
BAD = point("4_qat", 45.0, 16.0, 0.80)
POINTS = [TEACHER, PRUNED, SMALL, BAD]


def test_a_point_that_another_beats_is_not_on_the_frontier():
    assert frontier(POINTS) == [False, True, True, False]
    assert dominates(PRUNED, TEACHER)  # Equal but for the size.
    assert not dominates(SMALL, PRUNED)  # Worse in quality.
    assert not dominates(TEACHER, TEACHER)
    twins = [TEACHER, dataclasses.replace(TEACHER, stage="twin")]
    assert frontier(twins) == [True, True]


def test_a_model_that_computes_no_number_is_never_chosen():
    broken = point("broken", 1.0, 1.0, math.nan)
    assert frontier([broken, BAD]) == [False, True]
    assert choose([broken, BAD], None, None) is BAD
    assert choose([broken], None, None) is None
    assert advice([broken], "f1") == "None can be shipped: no file's f1 is a number."


numbers = st.integers(1, 4)
points = st.lists(st.builds(point, st.just("x"), numbers, numbers, numbers), min_size=1)


@given(points=points)
def test_every_other_point_is_beaten_by_one_on_the_frontier(points):
    on_it = [p for p, kept in zip(points, frontier(points), strict=True) if kept]
    assert on_it
    for each in points:
        beaten = any(dominates(other, each) for other in on_it)
        assert beaten != (each in on_it)


@given(points=points, max_mb=numbers, max_latency_ms=numbers)
def test_what_is_chosen_is_on_the_frontier_and_the_best_that_fits(
    points, max_mb, max_latency_ms
):
    chosen = choose(points, max_mb, max_latency_ms)
    fitting = [p for p in points if p.mb <= max_mb and p.latency_ms <= max_latency_ms]
    if not fitting:
        assert chosen is None
    else:
        assert chosen.quality == max(p.quality for p in fitting)
        assert frontier(points)[points.index(chosen)]


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        (
            {"max_mb": 50},
            "Ship 3_distil float32, 40.00 MB, 15.00 ms, accuracy 0.8450 (0.50 points "
            "below 1_finetune float32): the best within --max_mb=50. It is "
            "runs/3_distil/none.tflite",
        ),
        (
            {"max_mb": 70, "max_latency_ms": 30},
            "Ship 2_prune float32, 70.00 MB, 30.00 ms, accuracy 0.8500 (0.00 points "
            "below 1_finetune float32): the best within --max_mb=70 and "
            "--max_latency_ms=30. It is runs/2_prune/none.tflite",
        ),
        (
            {"max_mb": 1.5},
            "None fits --max_mb=1.5: the smallest is 3_distil float32, 40.00 MB, 15.00 "
            "ms.",
        ),
        (
            {},
            "The best is 2_prune float32, 70.00 MB, 30.00 ms, accuracy 0.8500. It is "
            "runs/2_prune/none.tflite. The smallest within 1 point of it is 3_distil "
            "float32, 40.00 MB, 15.00 ms, accuracy 0.8450. It is "
            "runs/3_distil/none.tflite",
        ),
    ],
)
def test_the_line_that_says_what_to_ship(limits, line):
    assert advice(POINTS, "accuracy", **limits) == line


def test_the_fastest_is_named_too_where_nothing_fits():
    fast = dataclasses.replace(BAD, latency_ms=1.0)
    line = advice([SMALL, fast], "f1", max_latency_ms=0.5)
    assert line == (
        "None fits --max_latency_ms=0.5: the smallest is 3_distil float32, 40.00 MB, "
        "15.00 ms; the fastest is 4_qat float32, 45.00 MB, 1.00 ms."
    )


def test_a_gain_over_the_first_is_called_one():
    better = point("2_more", 10.0, 1.0, 0.86)
    assert "(1.00 points above 1_finetune float32)" in advice(
        [TEACHER, better], "f1", max_mb=20
    )
    assert advice([TEACHER, better], "f1").endswith(
        "no smaller one is within 1 point of it."
    )
