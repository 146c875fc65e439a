import json

import pytest

from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.storage.tfrecord import RecordWriter


@pytest.fixture
def info(tmp_path):
    shards = []
    for index in range(2):
        name = f"pretraining.tfrecord-{index:05d}-of-00002"
        with RecordWriter(tmp_path / name) as writer:
            writer.write([b"record"] * (index + 1))
        shards.append(Shard(name, writer.num_records, writer.num_bytes, writer.sha256))
    info = DatasetInfo(
        parameters=DataParameters(max_seq_length=64),
        vocab_size=100,
        vocab_hash="abc",
        shards=shards,
        corpus={"inputs": [["text.txt", 5]]},
        statistics={"fill_rate": 0.5},
    )
    info.save(tmp_path)
    return info


def test_round_trip(info, tmp_path):
    assert DatasetInfo.load(tmp_path) == info
    assert info.num_records == 3


def test_unfinished_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no finished data set"):
        DatasetInfo.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format_version must be 1. Received: 99"),
        ({"shards": [{"name": "x"}]}, "no `shards.0..num_records`"),
        (
            {"parameters": {"max_seq_length": "x"}},
            "`parameters.max_seq_length` must be a whole number",
        ),
        ({"shards": {"name": "x"}}, "`shards` must be a list"),
        ({"shards": ["x"]}, "`shards.0.` must be an object. Received: 'x'"),
        ({"vocab_size": "1"}, "`vocab_size` must be a whole number. Received: '1'"),
        ({"corpus": []}, "`corpus` must be an object"),
        (
            {"parameters": {"dupe_factor": 0}},
            "parameters.dupe_factor must be at least 1",
        ),
        ({"surprise": 1}, "unknown field `surprise`"),
    ],
)
def test_damaged_description_is_refused(info, tmp_path, change, message):
    path = tmp_path / "dataset_info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        DatasetInfo.load(tmp_path)


def test_files_of_other_folders_are_refused(info, tmp_path):
    path = tmp_path / "dataset_info.json"
    path.write_text(path.read_text().replace(info.shards[0].name, "../x"))
    with pytest.raises(ValueError, match="`shards` must name files of the folder"):
        DatasetInfo.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_seq_length", 4),
        ("max_predictions_per_seq", 0),
        ("dupe_factor", 0),
        ("max_ngram_size", 0),
        ("masked_lm_prob", 1.0),
        ("short_seq_prob", -0.1),
        ("objective", "both"),
        ("random_seed", -1),
    ],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}` must .*Received: '?{value}"):
        DataParameters(**{name: value}).validate()
