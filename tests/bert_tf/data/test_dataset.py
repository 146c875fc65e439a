"""A folder of records as one thing: files, schema, vocabulary."""

import json

import numpy as np
import pytest

from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import decode_example
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary


@pytest.fixture
def directory(tmp_path, dataset_writer):
    return dataset_writer(tmp_path / "records", num_records=20, num_shards=3)


def change_info(directory, **changes):
    path = directory / "dataset_info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_open_folder_knows_its_parts(directory):
    dataset = Dataset.open(str(directory))
    assert dataset.directory == directory
    assert dataset.info == DatasetInfo.load(directory)
    assert [path.name for path in dataset.record_paths] == [
        shard.name for shard in dataset.info.shards
    ]
    assert dataset.num_records == 20 and dataset.parameters.max_seq_length == 16
    assert len(dataset.vocabulary) == dataset.info.vocab_size
    dataset.verify()


def test_records_in_order_and_shuffled(directory):
    dataset = Dataset.open(directory)
    records = list(dataset.records())
    assert set(decode_example(records[0], dataset.features)) == set(dataset.features)
    stream = dataset.examples(seed=None)
    assert stream.read(range(40)) == records * 2
    shuffled = dataset.examples(seed=1).read(range(20))
    assert shuffled != records and sorted(shuffled) == sorted(records)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("max_seq_length", 128, 16),
        ("max_predictions_per_seq", 10, 3),
        ("vocab_size", 99, 32),
        ("objective", "sentence_order", "next_sentence"),
    ],
)
def test_reader_of_other_records_hears_both_values(directory, name, value, found):
    dataset = Dataset.open(directory)
    dataset.check_matches(**{name: found})
    with pytest.raises(ValueError, match=f"`{name}` {found}, but {value} is expected"):
        dataset.check_matches(**{name: value})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("vocab_hash", {"entries": (*SPECIAL_TOKENS, "other")}),
        ("do_lower_case", {"config": TokenizerConfig(False, strip_accents=True)}),
        ("strip_accents", {"config": TokenizerConfig(strip_accents=False)}),
    ],
)
def test_reader_of_another_vocabulary_hears_what_differs(directory, name, changes):
    dataset = Dataset.open(directory)
    own = dataset.vocabulary
    dataset.check_matches(vocabulary=own)
    other = {"entries": own.entries, "config": own.config} | changes
    with pytest.raises(InputError, match=f"the records have `{name}` "):
        dataset.check_matches(vocabulary=Vocabulary.from_entries(**other))


def test_a_changed_file_is_named(directory):
    dataset = Dataset.open(directory)
    path = dataset.record_paths[1]
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}: damaged"):
        dataset.verify()


def test_a_folder_without_all_its_files_does_not_open(directory):
    path = Dataset.open(directory).record_paths[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{path.name}: expected .* bytes"):
        Dataset.open(directory)
    path.unlink()
    with pytest.raises(ValueError, match=f"{path.name}: .*no file"):
        Dataset.open(directory)


def test_another_schema_is_found_when_examples_are_asked_for(directory):
    parameters = json.loads((directory / "dataset_info.json").read_text())["parameters"]
    change_info(directory, parameters=parameters | {"max_seq_length": 17})
    dataset = Dataset.open(directory)
    with pytest.raises(ValueError, match=f"{dataset.record_paths[0]}: record 1: "):
        dataset.examples(seed=None)


def test_a_folder_without_examples(directory):
    change_info(directory, shards=[])
    with pytest.raises(ValueError, match="holds no examples"):
        Dataset.open(directory).examples(seed=None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.txt", None, "vocab.txt: missing"),
        ("vocab.txt", b"[PAD]\n", "vocab.txt: no .UNK"),
        ("vocab.txt", b"\xff", "vocab.txt: not UTF-8"),
        ("tokenizer_config.json", None, "tokenizer_config.json: no such file"),
        ("tokenizer_config.json", b"{", "tokenizer_config.json: not a JSON file"),
        (
            "tokenizer_config.json",
            b'{"do_lower_case": false}',
            "tokenizer_config.json: says .*False.*were written with .*True",
        ),
    ],
)
def test_a_vocabulary_that_is_not_that_of_the_records(
    directory, name, content, message
):
    change_info(directory, corpus={"do_lower_case": True, "strip_accents": None})
    assert len(Dataset.open(directory).vocabulary) == 32
    (directory / name).unlink()
    if content is not None:
        (directory / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Dataset.open(directory).vocabulary.entries  # noqa: B018


def test_another_vocabulary(directory):
    path = directory / "vocab.txt"
    path.write_text(path.read_text() + "surplus\n")
    with pytest.raises(ValueError, match="vocab.txt: not the vocabulary of the rec"):
        Dataset.open(directory).vocabulary.entries  # noqa: B018


def test_statistics_are_numbers(directory):
    for value in ("much", [1, "much"], {"a": 1}, True, None):
        change_info(directory, statistics={"fill_rate": value})
        with pytest.raises(ValueError, match="`fill_rate` must be a number"):
            Dataset.open(directory)
    change_info(directory, statistics={"fill_rate": np.pi, "inputs": {"a": "b"}})
    Dataset.open(directory)
