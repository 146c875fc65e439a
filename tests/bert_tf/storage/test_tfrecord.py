import hashlib

import pytest
import tensorflow as tf

from bert_tf.storage.tfrecord import RecordWriter, read_records

RECORDS = [b"first", b"", b"third" * 1000]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.tfrecord"
    with RecordWriter(path) as writer:
        writer.write(RECORDS[:1])
        writer.write(RECORDS[1:])
    return path


def test_bytes_equal_tensorflows(path, tmp_path):
    theirs = tmp_path / "theirs.tfrecord"
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert path.read_bytes() == theirs.read_bytes()
    assert list(read_records(theirs)) == RECORDS


def test_writer_sums_up(tmp_path):
    with RecordWriter(tmp_path / "some.tfrecord") as writer:
        writer.write(RECORDS)
    content = (tmp_path / "some.tfrecord").read_bytes()
    assert writer.num_records == 3
    assert writer.num_bytes == len(content)
    assert writer.sha256 == hashlib.sha256(content).hexdigest()


def test_writer_never_overwrites(path):
    with pytest.raises(FileExistsError):
        RecordWriter(path)


@pytest.mark.parametrize(
    ("position", "problem", "rest"),
    [
        (0, "a damaged length", []),
        (21 + 4, "a damaged length", RECORDS[:1]),
        (13, "does not match its checksum", RECORDS[1:]),
        (21 + 16 + 500, "does not match its checksum", RECORDS[:2]),
    ],
)
def test_flipped_bit_is_named_by_file_and_offset(path, position, problem, rest):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)
    starts = [0, 21, 37]
    offset = max(start for start in starts if start <= position)
    message = f"{path.name}: the record at byte {offset} .*{problem}"
    with pytest.raises(ValueError, match=message):
        list(read_records(path))
    reported = []
    assert list(read_records(path, reported.append)) == rest
    assert len(reported) == 1


@pytest.mark.parametrize("size", [5, 14, 20, 21 + 15, 37 + 100])
def test_truncation_is_named(path, size):
    path.write_bytes(path.read_bytes()[:size])
    offset = 37 if size > 37 else 21 if size > 21 else 0
    with pytest.raises(ValueError, match=f"at byte {offset} is cut off"):
        list(read_records(path))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no records here, just some words")
    with pytest.raises(ValueError, match="this is no TFRecord file"):
        list(read_records(path))
