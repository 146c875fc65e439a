import numpy as np
import pytest

from bert_tf.data.example_stream import ExampleStream, Shard
from bert_tf.storage.tfrecord import FOOTER_SIZE, HEADER_SIZE, RecordWriter


@pytest.fixture
def shards(tmp_path):
    """Eight shards of 25 records; each record says its shard and number."""
    paths = []
    for shard in range(8):
        path = tmp_path / f"part-{shard}"
        with RecordWriter(path) as writer:
            writer.write(f"{shard},{number}".encode() for number in range(25))
        paths.append((path, 25))
    return paths


def read(stream, positions):
    return [tuple(map(int, r.decode().split(","))) for r in stream.read(positions)]


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def offset_of(path, number):
    """Byte at which a record starts."""
    sizes = [len(f"{path.name[-1]},{n}") for n in range(number)]
    return sum(sizes) + number * (HEADER_SIZE + FOOTER_SIZE)


def test_each_epoch_is_a_permutation_of_its_own(shards):
    stream = ExampleStream(shards, seed=1)
    assert stream.num_records == 200
    first, second = read(stream, range(200)), read(stream, range(200, 400))
    everything = sorted((s, n) for s in range(8) for n in range(25))
    assert sorted(first) == sorted(second) == everything
    assert first != second != everything


def test_the_order_is_a_function_of_seed_and_position(shards):
    whole = read(ExampleStream(shards, seed=1), range(500))
    fresh = ExampleStream(shards, seed=1)
    some = [399, 3, 201, 4, 150]
    assert read(fresh, some) == [whole[position] for position in some]
    assert read(ExampleStream(shards, seed=2), range(500)) != whole


def test_without_a_seed_the_files_order_repeats(shards):
    stream = ExampleStream(shards, seed=None)
    expected = [(s, n) for s in range(8) for n in range(25)]
    assert read(stream, range(400)) == expected * 2


def test_small_blocks_keep_the_permutation(shards):
    stream = ExampleStream(shards, seed=1, block_bytes=1000)
    assert len(set(read(stream, range(200)))) == 200
    assert len(set(read(stream, range(200, 400)))) == 200


def test_neighbors_are_as_good_as_random(shards):
    # In a random order, a record is followed by another of its shard in about one case
    # of eight, and the mean distance from the place in the files is a third of all.
    order = read(ExampleStream(shards, seed=3), range(200))
    places = np.array([s * 25 + n for s, n in order])
    same_shard = np.mean(places[1:] // 25 == places[:-1] // 25)
    assert same_shard < 0.22
    assert 50 < np.abs(places - np.arange(200)).mean() < 83


def test_a_damaged_record_is_named_by_file_and_offset(shards):
    path = shards[3][0]
    start = offset_of(path, 10)
    flip(path, start + HEADER_SIZE)
    stream = ExampleStream(shards, seed=1)
    with pytest.raises(
        ValueError, match=rf"part-3: the record at byte {start} does not"
    ):
        stream.read(range(200))


def test_a_damaged_record_is_replaced_when_asked_to(shards):
    intact = read(ExampleStream(shards, seed=1), range(200))
    flip(shards[3][0], offset_of(shards[3][0], 10) + HEADER_SIZE)
    stream = ExampleStream(shards, seed=1, skip_damaged_records=True)
    order = read(stream, range(200))
    changed = [i for i in range(200) if order[i] != intact[i]]
    assert [intact[i] for i in changed] == [(3, 10)]
    assert stream.num_damaged == 1


def test_a_damaged_length_loses_the_rest_of_its_file_only(shards):
    path = shards[5][0]
    start = offset_of(path, 20)
    flip(path, start)
    with pytest.raises(ValueError, match=rf"part-5: the record at byte {start} has a"):
        ExampleStream(shards, seed=1).read(range(200))
    stream = ExampleStream(shards, seed=1, skip_damaged_records=True)
    lost = {(5, n) for n in range(20, 25)}
    assert lost.isdisjoint(read(stream, range(200)))
    assert stream.num_damaged == 5


def test_a_cut_off_file_is_named(shards):
    path = shards[0][0]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="part-0: the record at byte .* is cut off"):
        ExampleStream(shards, seed=1).read([0])


def test_another_number_of_records_is_refused(shards):
    shards[2] = (shards[2][0], 24)
    with pytest.raises(ValueError, match="part-2: must hold 24 records.*Received: 25"):
        ExampleStream(shards, seed=1).read([0])


def test_nothing_but_damage_is_refused(tmp_path):
    path = tmp_path / "part-0"
    with RecordWriter(path) as writer:
        writer.write([b"only"])
    flip(path, HEADER_SIZE)
    stream = ExampleStream([(path, 1)], seed=1, skip_damaged_records=True)
    with pytest.raises(ValueError, match="every record is damaged"):
        stream.read([0])


def test_an_empty_file_is_an_empty_shard(tmp_path):
    (tmp_path / "part").write_bytes(b"")
    assert len(Shard(tmp_path / "part")) == 0
