import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.data.packing import pack_examples


def make_batches(rng, lengths, seq_length, predictions):
    """Examples of these lengths `[batches, N]`; every token has an id of its own."""
    shape = (*lengths.shape, seq_length)
    mask = (np.arange(seq_length) < lengths[..., None]).astype(np.int32)
    places = np.argsort(rng.random(shape))[..., :predictions]
    real = (places < lengths[..., None]) & (rng.random(places.shape) < 0.8)
    ids = np.arange(1, np.prod(shape) + 1).reshape(shape)
    return {
        "input_ids": (ids * mask).astype(np.int32),
        "input_mask": mask,
        "segment_ids": (rng.integers(0, 2, shape) * mask).astype(np.int32),
        "masked_lm_positions": (places * real).astype(np.int32),
        "masked_lm_ids": (rng.integers(5, 99, real.shape) * real).astype(np.int32),
        "masked_lm_weights": real.astype(np.float32),
        "next_sentence_labels": rng.integers(0, 2, (*lengths.shape, 1)).astype("i4"),
    }


@st.composite
def some_batches(draw):
    seq_length = draw(st.integers(16, 100))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 40)))
    longest = draw(st.integers(1, seq_length))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lengths = rng.integers(1, longest + 1, shape)
    return make_batches(rng, lengths, seq_length, draw(st.integers(1, 9)))


def unpack(packed, batch):
    """Cuts the rows of a packed batch into examples again, in no order."""
    examples = []
    rows, numbers = np.nonzero(packed["next_sentence_weights"][batch])
    for row, number in zip(rows, numbers, strict=True):
        parts = {
            name: values[batch][row]
            for name, values in packed.items()
            if name[0] != "n"
        }
        (places,) = np.nonzero(parts["example_ids"] == number + 1)
        start = packed["cls_positions"][batch, row, number]
        np.testing.assert_array_equal(places, start + np.arange(len(places)))
        np.testing.assert_array_equal(
            parts["position_ids"][places], np.arange(len(places))
        )
        assert parts["input_mask"][places].all()
        positions = parts["masked_lm_positions"] - start
        own = (
            (parts["masked_lm_weights"] > 0)
            & (positions >= 0)
            & (positions < len(places))
        )
        examples.append(
            (
                tuple(parts["input_ids"][places]),
                tuple(parts["segment_ids"][places]),
                frozenset(
                    zip(positions[own], parts["masked_lm_ids"][own], strict=True)
                ),
                packed["next_sentence_labels"][batch, row, number],
            )
        )
    return examples


def originals(batches, batch):
    examples = []
    for index in range(batches["input_mask"].shape[1]):
        parts = {name: values[batch, index] for name, values in batches.items()}
        length = parts["input_mask"].sum()
        own = parts["masked_lm_weights"] > 0
        predictions = zip(
            parts["masked_lm_positions"][own], parts["masked_lm_ids"][own], strict=True
        )
        examples.append(
            (
                tuple(parts["input_ids"][:length]),
                tuple(parts["segment_ids"][:length]),
                frozenset(predictions),
                parts["next_sentence_labels"][0],
            )
        )
    return examples


@settings(max_examples=100, deadline=None)
@given(some_batches())
def test_every_example_is_there_once_and_whole(batches):
    packed = pack_examples(batches)
    for batch in range(len(batches["input_mask"])):
        assert sorted(unpack(packed, batch)) == sorted(originals(batches, batch))
    for name in ("input_mask", "masked_lm_weights"):
        assert packed[name].sum() == batches[name].sum()
    assert ((packed["example_ids"] > 0) == packed["input_mask"]).all()


@settings(max_examples=100, deadline=None)
@given(some_batches())
def test_shapes_depend_on_the_schema_alone(batches):
    packed, again = pack_examples(batches), pack_examples(batches)
    *leading, seq_length = batches["input_mask"].shape
    for name, values in packed.items():
        np.testing.assert_array_equal(values, again[name])
        assert values.dtype == (np.float32 if "weights" in name else np.int32)
        width = batches[name].shape[-1] if name in batches else seq_length
        if name == "num_rows":
            assert values.shape == (leading[0],)
        elif name.startswith(("cls_", "next_")):
            assert values.shape == (*leading, max(1, seq_length // 16))
        else:
            assert values.shape == (*leading, width)
    assert (packed["num_rows"] <= leading[1]).all()
    empty = np.arange(leading[1]) >= packed["num_rows"][:, None]
    assert not packed["input_mask"][empty].any()
    assert not packed["next_sentence_weights"][empty].any()


def test_examples_that_fit_share_a_row():
    rng = np.random.default_rng(0)
    lengths = np.array([[64, 16, 40, 24, 48, 30, 34]])
    packed = pack_examples(make_batches(rng, lengths, 64, 40))
    assert packed["num_rows"].tolist() == [4]
    assert packed["input_mask"].sum(-1).tolist() == [[64, 64, 64, 64, 0, 0, 0]]
    # The next longest that fits: 48 + 16, 40 + 24, 34 + 30.
    assert packed["cls_positions"][0, :4, :2].tolist() == [
        [0, 0],
        [0, 48],
        [0, 40],
        [0, 34],
    ]


def test_a_row_takes_no_more_predictions_and_examples_than_it_has_places_for():
    rng = np.random.default_rng(0)
    batches = make_batches(rng, np.full([1, 12], 10), 64, 4)
    batches["masked_lm_weights"][:] = 1
    assert pack_examples(batches)["num_rows"].tolist() == [12]
    batches["masked_lm_weights"][..., 2:] = 0
    assert pack_examples(batches)["num_rows"].tolist() == [6]
    batches["masked_lm_weights"][..., 1:] = 0
    assert pack_examples(batches)["num_rows"].tolist() == [3]
    batches["masked_lm_weights"][:] = 0
    assert pack_examples(batches)["num_rows"].tolist() == [3]  # Four a row of 64.


def test_numbers_of_rows_are_few():
    """XLA compiles for each."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 65, [100, 256])
    packed = pack_examples(make_batches(rng, lengths, 64, 4))
    used = packed["input_mask"].any(-1).sum(-1)
    assert (packed["num_rows"] >= used).all()
    assert packed["num_rows"].mean() < 1.04 * used.mean()
    assert len(set(packed["num_rows"].tolist())) < 10 < len(set(used.tolist()))
