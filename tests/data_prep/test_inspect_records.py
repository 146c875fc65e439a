import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.tfrecord import RecordWriter
from bert_tf.text.vocabulary import Vocabulary
from data_prep.documents import Documents
from data_prep.instances import make_instances
from data_prep.statistics import add_counts, count_batch, summarize

ROOT = Path(__file__).parents[2]
PARAMETERS = DataParameters(max_seq_length=32, max_predictions_per_seq=5)


def write_dataset(directory, vocab_file, **changes):
    """A data set of random tokens, in two shards."""
    directory.mkdir()
    parameters = dataclasses.replace(PARAMETERS, **changes)
    own = Vocabulary.load_file(vocab_file)
    own.save(directory)
    vocabulary = MaskingVocabulary.of(own)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 15, 200)
    tokens = rng.choice(vocabulary.ordinary_ids, lengths.sum())
    documents = Documents.from_lengths(tokens, lengths, np.full(10, 20))
    counts, shards = {}, []
    for index in range(2):
        name = f"pretraining.tfrecord-{index:05d}-of-00002"
        with RecordWriter(directory / name) as writer:
            for batch in make_instances(documents, vocabulary, parameters, index):
                writer.write(encode_examples(batch))
                counts = add_counts(counts, count_batch(batch, vocabulary))
        shards.append(Shard(name, writer.num_records, writer.num_bytes, writer.sha256))
    info = DatasetInfo(
        parameters=parameters,
        vocab_size=len(own),
        vocab_hash=own.hash,
        shards=shards,
        statistics=summarize(counts, parameters),
    )
    info.save(directory)
    return info


def inspect(directory, *flags):
    return subprocess.run(
        [
            sys.executable, "-m", "data_prep.inspect_records",
            f"--input_dir={directory}", *flags,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip


def error_of(directory, *flags):
    result = inspect(directory, *flags)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.fixture
def directory(tmp_path, vocab_file):
    write_dataset(tmp_path / "data", vocab_file)
    return tmp_path / "data"


def test_examples_are_readable_and_statistics_stand_beside_expectation(directory):
    result = inspect(directory, "--num_examples=2", "--verify")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Example 0: B ")
    assert lines[1].startswith("  [CLS] ") and lines[1].endswith(" [SEP]")
    assert "→[MASK]}" in lines[1] and "[PAD]" not in lines[1]
    assert lines[3].startswith("Example 1: ")
    (row,) = [line for line in lines if line.startswith("masked_as_mask")]
    assert abs(float(row.split()[1]) - 0.8) < 0.05 and row.endswith("0.8")
    bars = [line for line in lines if "█" in line]
    assert bars[-1].split()[0] == "31-32"
    counts = [int(line.split()[1].replace(",", "")) for line in lines[-17:-1]]
    assert sum(counts) == DatasetInfo.load(directory).num_records
    assert lines[-1].startswith("Verified: ")


def test_the_originals_of_masked_tokens_are_shown(directory, vocab_file):
    shown = inspect(directory, "--num_examples=200").stdout
    entries = set(Vocabulary.load_file(vocab_file).entries)
    words = [
        word for line in shown.splitlines() if "[CLS]" in line for word in line.split()
    ]
    masked = [word.strip("{}").split("→") for word in words if word.startswith("{")]
    assert len(masked) > 500
    assert {part for parts in masked for part in parts} <= entries
    assert 0.05 < np.mean([len(parts) == 1 for parts in masked]) < 0.16


def test_records_without_masks(tmp_path, vocab_file):
    write_dataset(tmp_path / "data", vocab_file, dynamic_masking=True)
    result = inspect(tmp_path / "data", "--verify")
    assert result.returncode == 0, result.stderr
    assert "{" not in result.stdout and "masked_as_mask" not in result.stdout


def test_damage_is_named(directory):
    path = directory / "pretraining.tfrecord-00001-of-00002"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert inspect(directory, "--num_examples=1").returncode == 0
    assert f"{path}: damaged" in error_of(directory, "--verify")
    path.write_bytes(content[:-1])
    assert f"{path}: expected" in error_of(directory, "--verify")


def test_wrong_statistics_and_vocabulary_are_named(directory, vocab_file):
    info = DatasetInfo.load(directory)
    info.statistics["fill_rate"] = 0.1
    info.save(directory)
    assert "have `fill_rate`" in error_of(directory, "--verify")
    with (directory / "vocab.txt").open("a") as file:
        file.write("another\n")
    assert "vocab.txt: not the vocabulary of the records" in error_of(directory)


def test_an_example_of_another_schema_is_named(directory):
    info = DatasetInfo.load(directory)
    longer = dataclasses.replace(info.parameters, max_seq_length=33)
    dataclasses.replace(info, parameters=longer).save(directory)
    assert f"{directory}: record 1: Feature `input_ids` " in error_of(directory)


@pytest.mark.parametrize("flags", [[], ["--verify"]])
def test_missing_and_damaged_tokenizer_settings_are_named(directory, flags):
    path = directory / "tokenizer_config.json"
    path.write_text("{")
    assert f"{path}: not a JSON file" in error_of(directory, *flags)
    path.unlink()
    assert f"{path}: no such file" in error_of(directory, *flags)


def test_unfinished_folder_is_refused(tmp_path):
    assert "no dataset_info.json" in error_of(tmp_path)
