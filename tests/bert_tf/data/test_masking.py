import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.example_random import example_seeds
from bert_tf.data.masking import (
    MaskingVocabulary,
    choose_units,
    mask_batch,
    span_starts,
    word_starts,
)
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

ENTRIES = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENTRIES += [f"word{i}" for i in range(40)] + [f"##piece{i}" for i in range(20)]
VOCABULARY = MaskingVocabulary.of(Vocabulary.from_entries(ENTRIES, TokenizerConfig()))
PAD, UNK, CLS, SEP, MASK = 0, 2, 3, 4, 5
FIRST_ORDINARY = 6
PARAMETERS = DataParameters(max_seq_length=64, max_predictions_per_seq=10)


def make_batch(seed, size=1000, max_seq_length=64):
    """Random pairs with some [UNK] in them."""
    rng = np.random.default_rng(seed)
    input_ids = np.full((size, max_seq_length), PAD, np.int32)
    num_tokens = rng.integers(5, max_seq_length + 1, size)
    for row, length in zip(input_ids, num_tokens, strict=True):
        row[:length] = rng.integers(FIRST_ORDINARY, len(ENTRIES), length)
        row[:length][rng.random(length) < 0.05] = UNK
        row[0], row[length // 2], row[length - 1] = CLS, SEP, SEP
    return input_ids, num_tokens


def mask(input_ids, num_tokens, seed=0, **changes):
    parameters = dataclasses.replace(PARAMETERS, **changes)
    seeds = example_seeds(seed, positions=np.arange(len(input_ids)))
    return mask_batch(input_ids, num_tokens, VOCABULARY, parameters, seeds)


KINDS = [{}, {"do_whole_word_mask": True}, {"max_ngram_size": 3}]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), probability=st.floats(0.01, 0.9))
def test_masks_of_any_batch_keep_their_promises(kind, seed, probability):
    input_ids, num_tokens = make_batch(seed, size=20)
    masked = mask(input_ids, num_tokens, seed, masked_lm_prob=probability, **kind)
    positions, ids = masked["masked_lm_positions"], masked["masked_lm_ids"]
    weights = masked["masked_lm_weights"]
    for row in range(len(input_ids)):
        count = int(weights[row].sum())
        # Real predictions first, in the order of the text, then zeros.
        assert weights[row].tolist() == [1.0] * count + [0.0] * (10 - count)
        assert not positions[row, count:].any() and not ids[row, count:].any()
        chosen = positions[row, :count]
        assert (np.diff(chosen) > 0).all()
        wanted = max(1, round(num_tokens[row] * probability))
        assert count <= min(wanted, 10)
        # The originals are ordinary tokens, nothing else changed, and what stands
        # there now is ordinary or [MASK].
        np.testing.assert_array_equal(ids[row, :count], input_ids[row, chosen])
        assert (ids[row, :count] >= FIRST_ORDINARY).all()
        others = np.setdiff1d(np.arange(64), chosen)
        np.testing.assert_array_equal(
            masked["input_ids"][row, others], input_ids[row, others]
        )
        shown = masked["input_ids"][row, chosen]
        assert ((shown == MASK) | (shown >= FIRST_ORDINARY)).all()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_subword_masks_are_as_many_as_the_recipe_says(seed):
    input_ids, num_tokens = make_batch(seed, size=20)
    candidates = (input_ids >= FIRST_ORDINARY).sum(axis=1)
    # Python rounds halves to even, as the recipe's `int(round(...))` does.
    expected = [
        min(10, max(1, round(tokens * 0.15)), count)
        for tokens, count in zip(num_tokens.tolist(), candidates, strict=True)
    ]
    counts = mask(input_ids, num_tokens)["masked_lm_weights"].sum(axis=1)
    assert counts.tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_80_10_10(kind):
    input_ids, num_tokens = make_batch(seed=1, size=20_000)
    masked = mask(input_ids, num_tokens, **kind)
    real = masked["masked_lm_weights"] > 0
    rows = np.nonzero(real)[0]
    shown = masked["input_ids"][rows, masked["masked_lm_positions"][real]]
    originals = masked["masked_lm_ids"][real]
    error = 5 * np.sqrt(0.25 / len(shown))  # five standard deviations
    assert abs((shown == MASK).mean() - 0.8) < error
    # A random token is the original by chance.
    same = 0.1 + 0.1 / (len(ENTRIES) - FIRST_ORDINARY)
    assert abs((shown == originals).mean() - same) < error
    random = shown[(shown != MASK) & (shown != originals)]
    counts = np.bincount(random, minlength=len(ENTRIES))[FIRST_ORDINARY:]
    assert counts.min() > 0.8 * counts.mean()


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_is_masked_alike(kind):
    input_ids = np.full((20_000, 64), FIRST_ORDINARY, np.int32)
    input_ids[:, [0, 30, 63]] = CLS, SEP, SEP
    positions = mask(input_ids, np.full(20_000, 64), **kind)["masked_lm_positions"]
    counts = np.bincount(positions.ravel(), minlength=64)
    assert counts[[0, 30, 63]].tolist() == [0, 0, 0]
    inside = np.delete(counts, [0, 30, 63]) / 20_000
    # Spans are shorter where a segment ends, which only they may show.
    tolerance = 0.25 if kind.get("max_ngram_size") else 0.06
    np.testing.assert_allclose(inside, 10 / 61, rtol=tolerance)


def test_an_examples_masks_depend_on_its_seed_alone():
    input_ids, num_tokens = make_batch(seed=2, size=50)
    whole = mask(input_ids, num_tokens, max_ngram_size=2)
    seeds = example_seeds(0, positions=np.arange(50))
    parameters = dataclasses.replace(PARAMETERS, max_ngram_size=2)
    part = mask_batch(
        input_ids[30:33], num_tokens[30:33], VOCABULARY, parameters, seeds[30:33]
    )
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][30:33])
    other = mask(input_ids, num_tokens, seed=1, max_ngram_size=2)
    assert (other["input_ids"] != whole["input_ids"]).any(axis=1).mean() > 0.9


def test_whole_words_are_masked_whole():
    input_ids, num_tokens = make_batch(seed=3)
    masked = mask(input_ids, num_tokens, do_whole_word_mask=True)
    goes_on = VOCABULARY.is_continuation[input_ids[:, 1:]]
    goes_on &= input_ids[:, :-1] >= FIRST_ORDINARY
    chosen = np.zeros(input_ids.shape, bool)
    rows, slots = np.nonzero(masked["masked_lm_weights"])
    chosen[rows, masked["masked_lm_positions"][rows, slots]] = True
    assert goes_on.sum() > 5000
    assert (chosen[:, 1:] == chosen[:, :-1])[goes_on].all()


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_units_fill_up_to_the_count_as_in_the_recipe(seed):
    rng = np.random.default_rng(seed)
    candidates = rng.random((8, 30)) < 0.8
    starts = word_starts(candidates, rng.random((8, 30)) < 0.4)
    counts = rng.integers(0, 12, 8)
    chosen = choose_units(
        candidates, starts, counts, example_seeds(seed, positions=np.arange(8))
    )
    assert not (chosen & ~candidates).any()
    for row in range(8):
        assert chosen[row].sum() <= counts[row]
        # No unit that is left out would still fit.
        left = counts[row] - chosen[row].sum()
        bounds = np.flatnonzero(starts[row] | ~candidates[row]).tolist() + [30]
        for begin, end in zip(bounds, bounds[1:], strict=False):
            unit = chosen[row, begin:end]
            assert unit.all() or not unit.any()
            if candidates[row, begin] and not unit.any():
                assert end - begin > left


def test_span_lengths_are_drawn_in_proportion_to_one_over_n():
    candidates = np.ones((4000, 60), bool)
    seeds = example_seeds(0, positions=np.arange(4000))
    starts = span_starts(candidates, candidates, 3, seeds)
    # The last span of a row is cut off; leave it out.
    lengths = np.concatenate([np.diff(np.flatnonzero(row)) for row in starts])
    shares = np.bincount(lengths, minlength=4)[1:] / len(lengths)
    np.testing.assert_allclose(shares, np.array([6, 3, 2]) / 11, atol=0.01)


def test_text_of_unknown_tokens_has_no_predictions():
    input_ids = np.array([[CLS, UNK, SEP, UNK, SEP, PAD, PAD, PAD]], np.int32)
    masked = mask(input_ids, np.array([5]), max_seq_length=8)
    assert masked["masked_lm_weights"].sum() == 0
    np.testing.assert_array_equal(masked["input_ids"], input_ids)


def test_vocabulary_of_special_tokens_is_refused():
    vocabulary = Vocabulary.from_entries(ENTRIES[:6], TokenizerConfig())
    with pytest.raises(ValueError, match="nothing but special tokens"):
        MaskingVocabulary.of(vocabulary)
