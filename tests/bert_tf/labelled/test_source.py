"""Batches of encoded examples: the same sequences, padded or packed."""

import numpy as np
import pytest

from bert_tf.labelled.encoded import IGNORED, EncodedExamples, join
from bert_tf.labelled.source import LabelledSource
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows

VOCABULARY = Vocabulary.from_entries(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123))],
    TokenizerConfig(),
)
LENGTH = 64


def pieces(texts):
    ids = [[VOCABULARY.entries.index(letter) for letter in text] for text in texts]
    splits = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    return Pieces(np.array(sum(ids, []), np.int32), splits.astype(np.int64))


def text(ids):
    return " ".join(VOCABULARY.entries[i] for i in ids)


def test_sequences_are_joined_with_special_tokens():
    encoded = join([pieces(["ab", "", "xyz"])], VOCABULARY, 8)
    rows = np.split(encoded.input_ids, encoded.starts[1:-1])
    assert [text(row) for row in rows] == [
        "[CLS] a b [SEP]",
        "[CLS] [SEP]",
        "[CLS] x y z [SEP]",
    ]
    assert encoded.num_cut == 0


def test_the_longer_of_a_pair_loses_its_end():
    first, second = pieces(["abcdefg", "a"]), pieces(["xy", "uvwxyz"])
    encoded = join([first, second], VOCABULARY, 8)
    rows = np.split(encoded.input_ids, encoded.starts[1:-1])
    assert [text(row) for row in rows] == [
        "[CLS] a b c [SEP] x y [SEP]",
        "[CLS] a [SEP] u v w x [SEP]",
    ]
    assert encoded.first_lengths.tolist() == [5, 3]
    assert encoded.num_cut == 2


@pytest.fixture
def encoded():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdef"), n)) for n in rng.integers(1, 40, 30)]
    pairs = ["".join(rng.choice(list("uvwxyz"), n)) for n in rng.integers(0, 9, 30)]
    joined = join([pieces(texts), pieces(pairs)], VOCABULARY, LENGTH)
    return EncodedExamples(
        joined.input_ids,
        joined.starts,
        joined.first_lengths,
        targets={"labels": np.arange(30, dtype=np.int32)},
        token_targets={"tags": joined.input_ids * 2},
    )


def sequences(batch):
    """Each sequence of a flat batch by its label: ids, segments, positions, tags."""
    found = {}
    for row, weights in enumerate(batch["example_weights"]):
        for number in np.flatnonzero(weights):
            if "example_ids" in batch:
                places = np.flatnonzero(batch["example_ids"][row] == number + 1)
                assert places[0] == batch["cls_positions"][row, number]
                positions = batch["position_ids"][row, places].tolist()
                assert positions == list(range(len(places)))
            else:
                places = np.flatnonzero(batch["input_mask"][row])
            label = int(batch["labels"][row, number])
            assert label not in found
            found[label] = tuple(
                batch[name][row, places].tolist()
                for name in ("input_ids", "segment_ids", "tags")
            )
    return found


@pytest.mark.parametrize("pack", [False, True])
def test_every_example_comes_once_an_epoch(encoded, pack):
    source = LabelledSource(encoded, LENGTH, seed=3)
    reader = source.reader(
        replica_batch_size=5, num_replicas=2, local_replicas=range(1, 2), pack=pack
    )
    other = source.reader(
        replica_batch_size=5, num_replicas=2, local_replicas=range(0, 1), pack=pack
    )
    found = {}
    for part in (reader, other):
        batches = part.read(30, 3)  # the second epoch
        num_rows = batches.pop("num_rows", None)
        for number in range(3):
            batch = {name: values[0, number] for name, values in batches.items()}
            if pack:
                assert not batch["input_mask"][num_rows[0, number] :].any()
            found |= sequences(batch)
    expected = {
        index: (
            encoded.input_ids[start:end].tolist(),
            (np.arange(end - start) >= encoded.first_lengths[index]).tolist(),
            encoded.token_targets["tags"][start:end].tolist(),
        )
        for index, (start, end) in enumerate(
            zip(encoded.starts[:-1], encoded.starts[1:], strict=True)
        )
    }
    assert found == expected


def test_padding_carries_no_target(encoded):
    reader = LabelledSource(encoded, LENGTH, seed=3).reader(replica_batch_size=30)
    batch = {name: values[0, 0] for name, values in reader.read(0, 1).items()}
    assert (batch["tags"][batch["input_mask"] == 0] == IGNORED).all()


def test_epochs_differ_and_come_back(encoded):
    source = LabelledSource(encoded, LENGTH, seed=3)
    first, second = source.at(np.arange(30)), source.at(np.arange(30, 60))
    assert sorted(first) == sorted(second) == list(range(30))
    assert first.tolist() != second.tolist()
    again = LabelledSource(encoded, LENGTH, seed=3).at(np.arange(60))
    assert again.tolist() == [*first, *second]
    assert source.at(np.array([29, 30])).tolist() == [first[29], second[0]]


def test_held_out_examples_come_longest_first_and_find_their_place(encoded):
    source = LabelledSource(encoded, LENGTH, seed=None)
    order = source.at(np.arange(30))
    lengths = encoded.lengths[order]
    assert (np.diff(lengths) <= 0).all()
    examples, values = source.in_order(order.astype(float)[:20])
    assert examples.tolist() == values.tolist() == sorted(order[:20].tolist())


def test_the_windows_of_an_example_stand_together():
    contexts = pieces(["a" * n for n in (3, 20, 9, 12)])
    windows = Windows.build(contexts, VOCABULARY, max_seq_length=8, doc_stride=4)
    encoded = EncodedExamples.of_windows(windows, contexts)
    source = LabelledSource(encoded, 8, seed=None)
    order = encoded.example_of[source.order].tolist()
    # Longest sequence first; of equal ones the first example.
    assert order == [1] * 5 + [2] * 2 + [3] * 3 + [0]
    assert [source.num_positions(n) for n in (1, 2, 3, 4, 9, 0)] == [
        5,
        7,
        10,
        11,
        11,
        11,
    ]
    sequences, values = source.in_order(source.order[:7] * 10)
    assert sequences.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert values.tolist() == [10, 20, 30, 40, 50, 60, 70]


def test_all_replicas_pad_to_the_same_length():
    contexts = pieces(["a" * 60] + ["a" * 3] * 7)
    source = LabelledSource(join([contexts], VOCABULARY, 64), 64, seed=None)
    shapes = set()
    for local in range(2):
        reader = source.reader(
            replica_batch_size=2, num_replicas=2, local_replicas=range(local, local + 1)
        )
        shapes.add(reader.read(0, 1)["input_ids"].shape)
    assert shapes == {(1, 1, 2, 64)}


SIZES = [2, 3, 1, 4, 2] * 2 + [1, 5]


@pytest.mark.parametrize("pack", [False, True])
def test_groups_stay_whole_in_training(encoded, pack):
    source = LabelledSource(encoded.with_groups(SIZES), LENGTH, seed=3)
    assert source.num_examples == len(SIZES)
    batches = source.reader(replica_batch_size=4, pack=pack).read(0, 3)
    num_rows, starts = batches["num_rows"][0], np.cumsum([0, *SIZES])
    seen = []
    for number in range(3):
        batch = {name: values[0, number] for name, values in batches.items()}
        assert not batch["input_mask"][num_rows[number] :].any()
        found = sequences(batch)
        for row, place in np.argwhere(batch["example_weights"]):
            label = int(batch["labels"][row, place])
            assert (
                found[label][0]
                == encoded.input_ids[
                    encoded.starts[label] : encoded.starts[label + 1]
                ].tolist()
            )
        by_group = [
            sorted(batch["labels"][batch["group_ids"] == group])
            for group in (1, 2, 3, 4)
        ]
        assert not batch["group_ids"][batch["example_weights"] == 0].any()
        drawn = source.at(np.arange(4) + 4 * number)
        assert by_group == [list(range(starts[i], starts[i + 1])) for i in drawn]
        seen += drawn.tolist()
    assert sorted(seen) == list(range(len(SIZES)))


def test_held_out_groups_are_read_sequence_by_sequence_and_stay_together(encoded):
    source = LabelledSource(encoded.with_groups(SIZES), LENGTH, seed=None)
    assert source.num_examples == 30
    group = np.repeat(np.arange(len(SIZES)), SIZES)[source.order]
    assert np.count_nonzero(np.diff(group)) == len(SIZES) - 1
    batch = source.reader(replica_batch_size=30).read(0, 1)
    assert "group_ids" not in batch and "num_rows" not in batch
    assert batch["labels"].ravel().tolist() == source.order.tolist()


@pytest.mark.parametrize("num_tokens", [1, 100, 10_000])
def test_batches_of_tokens_hold_every_example_and_little_padding(encoded, num_tokens):
    source = LabelledSource(encoded, LENGTH, seed=None)
    found, order = {}, []
    for batch in source.batches(num_tokens):
        rows, length = batch["input_ids"].shape
        assert rows == 1 or rows * length <= num_tokens
        assert length == batch["input_mask"].sum(axis=1).max()
        found |= sequences(batch)
        order += batch["labels"][:, 0].tolist()
    assert order == source.order.tolist()
    expected = LabelledSource(encoded, LENGTH, seed=None).reader(replica_batch_size=30)
    assert found == sequences({n: v[0, 0] for n, v in expected.read(0, 1).items()})
    if num_tokens == 1:  # A sequence that is too long by itself is read all the same.
        assert len(order) == len(list(source.batches(num_tokens)))
