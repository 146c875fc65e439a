"""Splits that nothing but text and seed decides."""

import collections
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.errors import InputError
from bert_tf.labelled.examples import ClassificationExample, Place
from bert_tf.labelled.splits import find_duplicates, split_examples, text_hash


def make(pairs):
    return [
        ClassificationExample(text=text, label=label, place=Place("a.csv", line))
        for line, (text, label) in enumerate(pairs, start=2)
    ]


def split(examples, fraction=0.1, seed=0):
    strata = [example.label for example in examples]
    return split_examples(examples, fraction, seed, strata)


NUMBERED = [(f"text {n}", "rare" if n % 10 == 0 else "common") for n in range(1000)]


def test_strata_and_order():
    train, held_out = split(make(NUMBERED))
    counts = collections.Counter(example.label for example in held_out)
    assert counts == {"common": 90, "rare": 10}
    assert len(train) == 900
    for part in (train, held_out):
        lines = [example.place.number for example in part]
        assert lines == sorted(lines)
    shuffled = random.Random(1).sample(NUMBERED, len(NUMBERED))
    again = split(make(shuffled))[1]
    assert {e.text for e in again} == {e.text for e in held_out}
    other = split(make(NUMBERED), seed=1)[1]
    assert {e.text for e in other} != {e.text for e in held_out}


def test_additions_move_few():
    before = {e.text for e in split(make(NUMBERED))[1]}
    more = NUMBERED + [(f"more {n}", "common") for n in range(100)]
    after = {e.text for e in split(make(more))[1]}
    assert len(before - after) <= 10
    assert len(after) == 110


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")),
        min_size=2,
        max_size=30,
    ),
    st.sampled_from([0.1, 0.5, 0.9]),
)
@settings(deadline=None)
def test_a_text_is_on_one_side(pairs, fraction):
    if len({text for text, _ in pairs}) < 2:
        return
    examples = make(pairs)
    try:
        train, held_out = split(examples, fraction)
    except InputError:
        # Every label has one text, which stays in training.
        strata = collections.Counter(
            min(label for other, label in pairs if other == text)
            for text in {text for text, _ in pairs}
        )
        assert set(strata.values()) == {1}
        return
    assert not {e.text for e in train} & {e.text for e in held_out}
    assert sorted([*train, *held_out], key=lambda e: e.place) == examples


def test_a_label_with_one_text_stays_in_training():
    train, held_out = split(make([*NUMBERED, ("only", "single")]), 0.5)
    assert "single" in {e.label for e in train}
    assert "single" not in {e.label for e in held_out}
    # And one with two is on both sides.
    train, held_out = split(make([*NUMBERED, ("1", "two"), ("2", "two")]), 0.01)
    assert "two" in {e.label for e in train} & {e.label for e in held_out}


def test_groups_stay_together():
    examples = make(NUMBERED)
    groups = [[str(n // 10)] for n in range(len(examples))]
    train, held_out = split_examples(examples, 0.2, 0, groups=groups)
    sides = [{int(e.text[5:]) // 10 for e in part} for part in (train, held_out)]
    assert not sides[0] & sides[1]
    assert len(held_out) == 200


def test_nothing_to_hold_out():
    with pytest.raises(InputError, match="0 of 1 different texts held out leaves a"):
        split(make([("same", "x")] * 5))
    with pytest.raises(InputError, match="leaves a part empty"):
        split(make(NUMBERED), 0.0)


def test_the_parts_of_a_key_do_not_run_together():
    assert text_hash(["ab", "c"], 0) != text_hash(["a", "bc"], 0)
    # Recorded: a change would move users' examples.
    assert text_hash(["a"], 1).hex() == "956fc5229f2296c0079b16bc9d5cbf56"


def test_duplicates():
    train = make([("a", "x"), ("b", "x"), ("a", "x"), ("c", "y")])
    evaluation = make([("d", "x"), ("c", "x"), ("a", "x"), ("d", "x")])
    found = find_duplicates(train, {"evaluation": evaluation})
    assert found.within == {"training": 1, "evaluation": 1}
    assert found.across == {"evaluation": 2}
    assert found.lines() == [
        "1 exact duplicates within training",
        "1 exact duplicates within evaluation",
        "warning: 2 examples of evaluation stand in the training data too, so that "
        "its score is too good: a.csv: line 3 is a.csv: line 5",
    ]
    assert find_duplicates(train[:2], {"evaluation": evaluation[:1]}).lines() == []
