from collections import Counter

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
@given(num_shards=st.integers(1, 40), rounds=st.integers(2, 5), by_file=st.booleans())
def test_documents_are_dealt_out_evenly(num_shards, rounds, by_file):
    assignment = ShardAssignment(num_shards)
    places = range(num_shards * rounds)
    shards = [
        assignment.shard(place, 0) if by_file else assignment.shard(0, place)
        for place in places
    ]
    assert Counter(shards) == dict.fromkeys(range(num_shards), rounds)


def test_neighbours_do_not_always_share_the_same_distance():
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
