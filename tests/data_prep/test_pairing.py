import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.data.dataset_info import DataParameters
from data_prep.documents import Documents
from data_prep.pairing import make_pairs, max_num_tokens

PARAMETERS = DataParameters(
    max_seq_length=16, max_predictions_per_seq=3, dupe_factor=2, short_seq_prob=0.3
)

# Sentences of 1 to 30 tokens, longer than an example too.
CORPORA = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=12), min_size=2, max_size=6
)


def make_documents(lengths):
    sentences = [length for document in lengths for length in document]
    return Documents.from_lengths(
        np.arange(sum(sentences)), sentences, [len(document) for document in lengths]
    )


def document_bounds(documents):
    return documents.sentence_starts[documents.document_starts]


def rows(pairs):
    return zip(
        *(getattr(pairs, field.name).tolist() for field in dataclasses.fields(pairs)),
        strict=True,
    )


@settings(deadline=None)
@given(lengths=CORPORA, seed=st.integers(0, 2**32))
def test_next_sentence_pairs(lengths, seed):
    documents = make_documents(lengths)
    bounds = document_bounds(documents)
    sentence_starts = set(documents.sentence_starts.tolist())
    covered = []
    for a_start, a_end, b_start, b_end, label in rows(
        make_pairs(documents, PARAMETERS, seed)
    ):
        assert a_start < a_end and b_start < b_end
        assert {a_start, a_end, b_start, b_end} <= sentence_starts
        document_a, document_b = np.searchsorted(bounds, [a_start, b_start], "right")
        assert a_end <= bounds[document_a] and b_end <= bounds[document_b]
        covered.append((a_start, a_end))
        if label:
            assert document_a != document_b
        else:
            assert a_end == b_start and document_a == document_b
            covered.append((b_start, b_end))
    # What random pairs put back comes again: every pass covers all text once.
    assert_covers(covered, documents, PARAMETERS.dupe_factor)


@settings(deadline=None)
@given(lengths=CORPORA, seed=st.integers(0, 2**32))
def test_sentence_order_pairs(lengths, seed):
    documents = make_documents(lengths)
    parameters = dataclasses.replace(PARAMETERS, objective="sentence_order")
    covered = []
    for a_start, a_end, b_start, b_end, label in rows(
        make_pairs(documents, parameters, seed)
    ):
        assert a_start < a_end and b_start < b_end
        assert (b_end == a_start) if label else (a_end == b_start)
        covered += sorted([(a_start, a_end), (b_start, b_end)])
    # A sentence of one token that stands alone has no order.
    bounds = set(document_bounds(documents).tolist())
    for document in range(documents.num_documents):
        begin, stop = document_bounds(documents)[document : document + 2]
        inside = sum(end - start for start, end in covered if begin <= start < stop)
        missing = PARAMETERS.dupe_factor * (stop - begin) - inside
        assert 0 <= missing <= PARAMETERS.dupe_factor * lengths[document].count(1)
    assert all(
        not any(start < bound < end for bound in bounds) for start, end in covered
    )


@settings(deadline=None)
@given(lengths=CORPORA, seed=st.integers(0, 2**32))
def test_single_segments_lose_nothing_and_always_fit(lengths, seed):
    documents = make_documents(lengths)
    parameters = dataclasses.replace(PARAMETERS, objective="none")
    covered = []
    for a_start, a_end, b_start, b_end, label in rows(
        make_pairs(documents, parameters, seed)
    ):
        assert 0 < a_end - a_start <= max_num_tokens(parameters) == 14
        assert b_start == b_end and label == 0
        covered.append((a_start, a_end))
    assert_covers(covered, documents, PARAMETERS.dupe_factor)


def assert_covers(ranges, documents, times):
    counts = np.zeros(len(documents.tokens), int)
    for start, end in ranges:
        counts[start:end] += 1
    assert (counts == times).all()
    crossed = document_bounds(documents)[1:-1]
    for start, end in ranges:
        assert not ((start < crossed) & (crossed < end)).any()


@pytest.mark.parametrize("objective", ["next_sentence", "sentence_order"])
def test_half_of_the_labels_are_one(objective):
    documents = make_documents([[5] * 400] * 10)
    # Short examples may hold one sentence, and that has no true successor.
    parameters = dataclasses.replace(
        PARAMETERS, objective=objective, dupe_factor=10, short_seq_prob=0.0
    )
    labels = make_pairs(documents, parameters, seed=0).label
    assert len(labels) > 5000
    assert abs(labels.mean() - 0.5) < 0.05


def test_random_segments_come_from_all_other_documents():
    documents = make_documents([[5] * 100] * 5)
    parameters = dataclasses.replace(PARAMETERS, dupe_factor=20)
    pairs = make_pairs(documents, parameters, seed=0)
    random = pairs.label == 1
    table = np.zeros((5, 5), int)
    np.add.at(table, (pairs.a_start[random] // 500, pairs.b_start[random] // 500), 1)
    assert np.diag(table).tolist() == [0] * 5
    others = table[~np.eye(5, dtype=bool)]
    assert others.min() > 0.75 * others.mean()


def test_passes_differ_and_seeds_repeat():
    documents = make_documents([[3, 4, 5, 6] * 10] * 3)
    pairs = make_pairs(documents, PARAMETERS, seed=5)
    again = make_pairs(documents, PARAMETERS, seed=5)
    assert list(rows(pairs)) == list(rows(again))
    assert list(rows(pairs)) != list(rows(make_pairs(documents, PARAMETERS, seed=6)))
    starts = np.flatnonzero(pairs.a_start == 0)
    first, second = (
        list(rows(pairs.take(part)))
        for part in np.split(np.arange(len(pairs)), starts[1:2])
    )
    assert first != second
