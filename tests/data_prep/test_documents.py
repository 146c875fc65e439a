from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.documents import Documents, ShardAssignment


def test_nested_lists_become_flat_arrays():
    documents = Documents.from_lists([[[7, 8], [9]], [[10]]])
    assert documents.tokens.tolist() == [7, 8, 9, 10]
    assert documents.sentence_starts.tolist() == [0, 2, 3, 4]
    assert documents.document_starts.tolist() == [0, 2, 3]
    assert (documents.num_documents, documents.num_sentences) == (2, 3)


@settings(deadline=None)
@given(
    lengths=st.lists(
        st.lists(st.integers(1, 90), min_size=1, max_size=5), min_size=1, max_size=4
    ),
    size=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_long_sentences_are_cut_at_words_and_nothing_is_lost(lengths, size, seed):
    sentences = [length for document in lengths for length in document]
    is_continuation = np.array([False, True])
    tokens = np.random.default_rng(seed).integers(0, 2, sum(sentences), np.uint8)
    documents = Documents.from_lengths(tokens, sentences, [len(d) for d in lengths])
    cut = documents.split_long_sentences(size, is_continuation)
    longest = size + size // 4
    assert cut.tokens is documents.tokens
    assert set(documents.sentence_starts) <= set(cut.sentence_starts)
    old_bounds = documents.sentence_starts[documents.document_starts]
    assert (cut.sentence_starts[cut.document_starts] == old_bounds).all()
    new_lengths = np.diff(cut.sentence_starts)
    for begin, end in zip(
        documents.sentence_starts[:-1], documents.sentence_starts[1:], strict=True
    ):
        inside = (cut.sentence_starts >= begin) & (cut.sentence_starts < end)
        parts = new_lengths[inside[:-1]]
        if end - begin <= longest:
            assert len(parts) == 1
            continue
        assert len(parts) > 1 and parts.max() <= longest
        assert parts[:-1].min() >= size
        for start, length in zip(
            cut.sentence_starts[inside.nonzero()[0]][1:], parts[:-1], strict=True
        ):
            # A word is only cut if it goes on for long.
            if is_continuation[tokens[start]]:
                assert length == size
                assert is_continuation[tokens[start : start + size // 4 + 1]].all()


@settings(deadline=None)
@given(num_shards=st.integers(1, 40), rounds=st.integers(2, 5), by_file=st.booleans())
def test_documents_are_dealt_out_evenly(num_shards, rounds, by_file):
    assignment = ShardAssignment(num_shards)
    places = range(num_shards * rounds)
    shards = [
        assignment.shard(place, 0) if by_file else assignment.shard(0, place)
        for place in places
    ]
    assert Counter(shards) == dict.fromkeys(range(num_shards), rounds)


def test_neighbors_do_not_always_share_the_same_distance():
    assignment = ShardAssignment(16)
    shards = [assignment.shard(0, place) for place in range(160)]
    assert len({shards[place] for place in range(0, 160, 16)}) > 4


@settings(deadline=None)
@given(num_shards=st.integers(1, 20), num_eval_shards=st.integers(1, 3))
def test_held_out_documents_are_the_stated_share_in_shards_of_their_own(
    num_shards, num_eval_shards
):
    assignment = ShardAssignment(num_shards, num_eval_shards, eval_fraction=0.1)
    shards = [assignment.shard(0, place) for place in range(600)]
    assert sum(shard >= num_shards for shard in shards) == 60
    assert max(shards) < assignment.total
    assert set(shards) == set(range(assignment.total))
