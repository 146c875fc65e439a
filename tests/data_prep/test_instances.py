import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.data.schema import check_batch
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep.documents import Documents
from data_prep.instances import make_instances, truncate
from data_prep.pairing import SegmentPairs
from data_prep.statistics import (
    add_counts,
    count_batch,
    count_documents,
    summarize,
)

ENTRIES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(995)]
VOCABULARY = MaskingVocabulary.of(Vocabulary.from_entries(ENTRIES, TokenizerConfig()))
PAD, UNK, CLS, SEP, MASK = range(5)
PARAMETERS = DataParameters(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=3)


def make_documents(num_documents=6, seed=0):
    """Documents in which each token is its predecessor plus one."""
    rng = np.random.default_rng(seed)
    sentences = rng.integers(1, 12, (num_documents, 20))
    tokens = np.concatenate(
        [
            5 + start + np.arange(total)
            for start, total in zip(
                rng.integers(0, 700, num_documents), sentences.sum(axis=1), strict=True
            )
        ]
    )
    return Documents.from_lengths(
        tokens.astype(np.uint16), sentences.ravel(), np.full(num_documents, 20)
    )


def instances(**changes):
    parameters = dataclasses.replace(PARAMETERS, **changes)
    documents = make_documents()
    return list(make_instances(documents, VOCABULARY, parameters, shard_index=0))


def unmasked(batch):
    ids = batch["input_ids"].copy()
    rows, slots = np.nonzero(batch["masked_lm_weights"])
    positions = batch["masked_lm_positions"][rows, slots]
    ids[rows, positions] = batch["masked_lm_ids"][rows, slots]
    return ids


@pytest.mark.parametrize("objective", ["next_sentence", "sentence_order", "none"])
def test_layout_of_examples(objective):
    (batch,) = instances(objective=objective)
    check_batch(batch, PARAMETERS.features())
    assert len(batch["input_ids"]) > 50
    columns = ("input_mask", "segment_ids", "next_sentence_labels")
    for ids, mask, segments, (label,) in zip(
        unmasked(batch), *(batch[name] for name in columns), strict=True
    ):
        length = int(mask.sum())
        assert mask.tolist() == [1] * length + [0] * (32 - length)
        assert ids[0] == CLS and not ids[length:].any()
        seps = np.flatnonzero(ids == SEP).tolist()
        if objective == "none":
            assert seps == [length - 1] and not segments.any() and label == 0
            text = ids[1 : length - 1].astype(int)
            assert (np.diff(text) == 1).all()
            continue
        middle, end = seps
        assert end == length - 1 and 1 < middle < end - 1
        expected = [0] * (middle + 1) + [1] * (end - middle) + [0] * (31 - end)
        assert segments.tolist() == expected
        first, second = ids[1:middle].astype(int), ids[middle + 1 : end].astype(int)
        assert (np.diff(first) == 1).all() and (np.diff(second) == 1).all()
        if label == 0:
            # Truncation may cut at the seam, but the order stays.
            assert first[-1] < second[0]
        elif objective == "sentence_order":
            assert second[-1] < first[0]


def test_dynamic_records_are_the_same_examples_without_masks():
    (static,) = instances()
    (dynamic,) = instances(dynamic_masking=True)
    assert list(dynamic) == [
        "input_ids", "input_mask", "segment_ids", "next_sentence_labels",
    ]  # fmt: skip
    np.testing.assert_array_equal(dynamic["input_ids"], unmasked(static))


def test_shards_and_seeds_differ_and_repeat():
    documents = make_documents()

    def first(shard, **changes):
        parameters = dataclasses.replace(PARAMETERS, **changes)
        (batch,) = make_instances(documents, VOCABULARY, parameters, shard)
        return batch["input_ids"].tolist()

    assert first(0) == first(0)
    assert first(0) != first(1)
    assert first(0) != first(0, random_seed=1)


def reference_truncation(length_a, length_b, limit):
    """The recipe's loop; which end a token is dropped from is left to chance."""
    while length_a + length_b > limit:
        if length_a > length_b:
            length_a -= 1
        else:
            length_b -= 1
    return length_a, length_b


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1),
    st.integers(2, 40),
)
def test_truncation_keeps_what_the_recipes_loop_keeps(lengths, limit):
    length_a, length_b = np.array(lengths).T
    start = np.zeros(len(lengths), np.int64)
    pairs = SegmentPairs(start, length_a, start + 100, length_b + 100, start)
    short = truncate(pairs, limit, np.random.default_rng(0))
    expected = [reference_truncation(a, b, limit) for a, b in lengths]
    kept_a, kept_b = short.a_end - short.a_start, short.b_end - short.b_start
    assert list(zip(kept_a.tolist(), kept_b.tolist(), strict=True)) == expected
    assert (short.a_start >= 0).all() and (short.a_end <= length_a).all()
    assert (short.b_start >= 100).all() and (short.b_end <= length_b + 100).all()


def test_truncation_drops_from_both_ends_alike():
    start = np.zeros(5000, np.int64)
    pairs = SegmentPairs(start, start + 40, start + 40, start + 80, start)
    short = truncate(pairs, 40, np.random.default_rng(0))
    assert abs(short.a_start.mean() - 10) < 0.2
    assert abs(short.a_start.std() - np.sqrt(20) / 2) < 0.1


def test_statistics_say_what_is_in_the_batches():
    batches = instances()
    counts = {}
    for batch in batches:
        batch["input_ids"][0, 1] = UNK
        counts = add_counts(counts, count_batch(batch, VOCABULARY))
    summary = summarize(counts, PARAMETERS)
    total = sum(len(batch["input_ids"]) for batch in batches)
    tokens = sum(int(batch["input_mask"].sum()) for batch in batches)
    masked = sum(float(batch["masked_lm_weights"].sum()) for batch in batches)
    shares = [summary[f"masked_as_{what}"] for what in ("mask", "random", "original")]
    assert summary["num_records"] == sum(summary["length_histogram"]) == total
    assert summary["num_tokens"] == tokens
    assert summary["fill_rate"] == pytest.approx(tokens / total / 32, abs=1e-6)
    assert summary["masked_rate"] == pytest.approx(masked / tokens, abs=1e-6)
    assert summary["unknown_rate"] == pytest.approx(len(batches) / tokens, abs=1e-6)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.05)
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("objective", ["next_sentence", "sentence_order", "none"])
def test_the_share_of_the_text_that_is_cut_off(objective):
    # Every token of the text is another one.
    lengths = np.random.default_rng(0).integers(1, 60, 30)
    tokens = 5 + np.arange(lengths.sum())
    documents = Documents.from_lengths(tokens, lengths, np.full(3, 10))
    parameters = dataclasses.replace(
        PARAMETERS, objective=objective, dynamic_masking=True
    )
    assert len(tokens) < len(ENTRIES) - 5
    counts = count_documents(documents)
    kept = 0
    for batch in make_instances(documents, VOCABULARY, parameters, 0):
        counts = add_counts(counts, count_batch(batch, VOCABULARY))
        guests = batch["next_sentence_labels"] * batch["segment_ids"]
        guests *= objective == "next_sentence"
        kept += np.count_nonzero((batch["input_ids"] >= 5) & (guests == 0))
    share = summarize(counts, parameters)["cut_off_rate"]
    assert share == pytest.approx(1 - kept / len(tokens) / 3, abs=1e-6)
    assert share == 0 if objective == "none" else 0.05 < share < 0.25


def test_a_text_without_ends_of_sentences_loses_no_more_than_others():
    """Each document is a single sentence, as in scripts that mark no ends."""
    summaries = []
    for sentences in ([[12] * 25] * 8, [[300]] * 8):
        lengths = np.concatenate(sentences)
        tokens = np.random.default_rng(0).choice(VOCABULARY.ordinary_ids, sum(lengths))
        documents = Documents.from_lengths(tokens, lengths, [len(d) for d in sentences])
        counts = count_documents(documents)
        for batch in make_instances(documents, VOCABULARY, PARAMETERS, 0):
            counts = add_counts(counts, count_batch(batch, VOCABULARY))
        summaries.append(summarize(counts, PARAMETERS))
    marked, unmarked = summaries
    assert unmarked["cut_off_rate"] < marked["cut_off_rate"] + 0.05
    assert unmarked["random_pair_rate"] < 0.65
