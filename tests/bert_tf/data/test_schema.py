import numpy as np
import pytest

from bert_tf.data.schema import (
    Feature,
    check_batch,
    pretraining_features,
    unmasked_features,
)

FEATURES = pretraining_features(max_seq_length=8, max_predictions_per_seq=2)


def zeros():
    return {name: np.zeros((3, *f.shape), f.dtype) for name, f in FEATURES.items()}


def test_schema_has_the_published_names_and_shapes():
    assert list(FEATURES.items()) == [
        ("input_ids", Feature("int64", (8,))),
        ("input_mask", Feature("int64", (8,))),
        ("segment_ids", Feature("int64", (8,))),
        ("masked_lm_positions", Feature("int64", (2,))),
        ("masked_lm_ids", Feature("int64", (2,))),
        ("masked_lm_weights", Feature("float32", (2,))),
        ("next_sentence_labels", Feature("int64", (1,))),
    ]
    assert set(FEATURES) - set(unmasked_features(8)) == {
        "masked_lm_positions",
        "masked_lm_ids",
        "masked_lm_weights",
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("input_ids", np.ones((3, 9), int)),
        ("input_ids", np.ones((3, 8), np.float32)),
        ("masked_lm_weights", np.ones((3, 2), int)),
    ],
)
def test_writing_checks_names_the_field(name, values):
    batch = zeros()
    check_batch(batch, FEATURES)
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        check_batch(batch | {name: values}, FEATURES)


def test_writing_checks_missing_fields():
    with pytest.raises(ValueError, match=r"unknown: \['y'\]"):
        check_batch(zeros() | {"y": np.ones((3, 1))}, FEATURES)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((4, 1), "at least 5"),
        ((8, 9), "1 and `max_seq_length`"),
        ((8, 0), "Received: 0"),
    ],
)
def test_impossible_lengths_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        pretraining_features(*lengths)
