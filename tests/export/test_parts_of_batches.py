"""A request's texts run in parts, and answer as they do together."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.errors import InputError
from export.saved_model import saving, serving_ops
from export.saved_model.parts_of_batches import run_in_parts


def batch_of(lengths, width):
    """Returns rows whose ids count from the number of the row."""
    mask = (np.arange(width) < np.array(lengths, int)[:, None]).astype(np.int32)
    ids = (np.arange(len(lengths))[:, None] + np.arange(width) + 1) * mask
    return {
        "input_ids": tf.constant(ids, tf.int32, mask.shape),
        "input_mask": tf.constant(mask, tf.int32, mask.shape),
        "segment_ids": tf.zeros(mask.shape, tf.int32),
        "positions": tf.constant(np.arange(len(lengths))[:, None], tf.int32),
    }


def sums_and_squares(part):
    """Returns of each row its sum, its squares, its position, and its part's shape."""
    ids = part["input_ids"]
    shape = tf.shape(ids)
    return {
        "sum": tf.reduce_sum(ids * part["input_mask"], axis=1),
        "squares": tf.square(ids)[:, :, tf.newaxis],
        "position": part["positions"][:, 0],
        "part": tf.tile(shape[tf.newaxis], [shape[0], 1]),
    }


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 12), max_size=9),
    padding=st.integers(0, 3),
    tokens=st.integers(1, 40),
)
def test_rows_are_answered_in_their_order_by_parts_of_so_many_tokens(
    lengths, padding, tokens
):
    batch = batch_of(lengths, max(lengths, default=1) + padding)
    answers = run_in_parts(sums_and_squares, batch, tokens)
    ids = batch["input_ids"].numpy()
    np.testing.assert_array_equal(answers["sum"], ids.sum(1))
    np.testing.assert_array_equal(answers["position"], np.arange(len(lengths)))
    longest = max(lengths, default=0)
    squares = np.square(ids)[:, :longest, None]
    np.testing.assert_array_equal(answers["squares"], squares)
    parts = answers["part"].numpy()
    for length, (rows, width) in zip(lengths, parts, strict=True):
        assert length <= width
        assert rows == 1 or rows * width <= tokens
    # The longest rows come first, as many as fit.
    if lengths:
        first = parts[np.argmax(lengths)]
        assert first[1] == longest
        assert first[0] == min(max(tokens // longest, 1), len(lengths))


def test_an_export_answers_a_text_beside_long_ones_as_the_model_does(tmp_path, trained):
    saving.save(tmp_path / "1", trained, tokens_at_once=24)
    served = tf.saved_model.load(str(tmp_path / "1")).signatures
    whole = saving.text_endpoints(trained)
    texts = ["the [MASK] of the union " * n for n in (1, 4, 2, 1, 3)]
    for name in ("serving_default", "embed"):
        expected = whole[name].function({"text": tf.constant(texts)})
        answers = served[name](text=tf.constant(texts))
        assert answers.keys() == expected.keys()
        for key, value in expected.items():
            if value.dtype == tf.string:
                assert answers[key].numpy().tolist() == value.numpy().tolist()
            else:
                np.testing.assert_allclose(answers[key], value, atol=1e-5)


@pytest.mark.parametrize("tokens", [0, 24])
def test_an_export_says_how_many_tokens_run_at_once(tmp_path, trained, tokens):
    description = saving.save(tmp_path / "1", trained, tokens_at_once=tokens)
    assert description["tokens_at_once"] == tokens
    used = serving_ops.used_ops(tmp_path / "1")
    loops = used.get("While", set()) | used.get("StatelessWhile", set())
    assert loops == ({"serving_default", "embed"} if tokens else set())


@pytest.mark.parametrize("shape", [{"with_text": False}, {"static_batch_size": 2}])
def test_what_takes_no_text_runs_in_no_parts(tmp_path, trained, shape):
    with pytest.raises(InputError, match="--tokens_at_once: only signatures that take"):
        saving.save(tmp_path / "1", trained, **shape, tokens_at_once=24)
    description = saving.save(tmp_path / "2", trained, **shape)
    assert description["tokens_at_once"] == 0
