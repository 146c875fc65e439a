import fcntl
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.storage.example_codec import decode_example

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NUM_KILLS = 10


def command(corpus, vocabulary, directory, **flags):
    flags = {
        "input_file": corpus,
        "vocab_file": vocabulary,
        "output_dir": directory,
        "max_seq_length": 32,
        "max_predictions_per_seq": 5,
        "num_shards": 6,
        "num_workers": 2,
        **flags,
    }
    return [
        sys.executable, "-m", "data_prep.create_pretraining_data",
        *(f"--{name}={value}" for name, value in flags.items()),
    ]  # fmt: skip


def run(*args, **flags):
    return subprocess.run(
        command(*args, **flags), cwd=ROOT, capture_output=True, text=True
    )


def succeed(*args, **flags):
    result = run(*args, **flags)
    assert result.returncode == 0, result.stderr
    return result


def fail(*args, **flags):
    """Returns the last line of stderr; the progress bars come before it."""
    result = run(*args, **flags)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def digests(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(directory).iterdir()
    }


def examples(directory):
    dataset = Dataset.open(directory)
    for record in dataset.records():
        yield decode_example(record, dataset.features)


def originals(example):
    ids = example["input_ids"].copy()
    real = example["masked_lm_weights"] > 0
    ids[example["masked_lm_positions"][real]] = example["masked_lm_ids"][real]
    return ids


def documents_in(directory):
    entries = (directory / "vocab.txt").read_text().splitlines()
    ids = {index for example in examples(directory) for index in originals(example)}
    return {entries[index] for index in ids if entries[index].startswith("doc")}


class Built:
    """A data set and the tokenized corpus that later runs start from."""

    def __init__(self, root, corpus_file, vocab_file):
        self.inputs = (corpus_file, vocab_file)
        self.train, self.eval = root / "train", root / "eval"
        self.shared = {
            "tokenized_dir": root / "tokenized",
            "eval_output_dir": self.eval,
            "eval_fraction": 0.1,
        }
        self.output = succeed(*self.inputs, self.train, **self.shared).stdout
        self.digests = digests(self.train)

    def again(self, directory):
        """Flags of the same run into another folder."""
        return {**self.shared, "eval_output_dir": f"{directory}-eval"}


@pytest.fixture(scope="module")
def built(tmp_path_factory, corpus_file, vocab_file):
    return Built(tmp_path_factory.mktemp("built"), corpus_file, vocab_file)


def test_folder_holds_records_their_description_and_the_vocabulary(built, vocab_file):
    info = DatasetInfo.load(built.train)
    names = [f"pretraining.tfrecord-{i:05d}-of-00006" for i in range(6)]
    assert [shard.name for shard in info.shards] == names
    expected = {*names, "dataset_info.json", "vocab.txt", "tokenizer_config.json"}
    assert {path.name for path in built.train.iterdir()} == expected
    assert (built.train / "vocab.txt").read_bytes() == vocab_file.read_bytes()
    settings = json.loads((built.train / "tokenizer_config.json").read_text())
    assert settings["strip_accents"] is False
    Dataset.open(built.train).verify()
    assert info.num_records == sum(1 for _ in examples(built.train)) > 1000
    statistics = info.statistics
    assert statistics["num_documents"] == 54
    assert statistics["num_sentences"] == 54 * 20
    assert statistics["inputs"]["num_documents"] == 60
    # The toy text makes one word in thirty or so unknown.
    assert 0.01 < statistics["unknown_rate"] < 0.06
    assert "examples in 6 files" in built.output
    assert "--input_dir=" in built.output


def test_held_out_documents_are_others(built):
    train, held_out = documents_in(built.train), documents_in(built.eval)
    assert len(held_out) == 6 and len(train) == 54
    assert not train & held_out
    parameters = DatasetInfo.load(built.eval).parameters
    assert parameters.dupe_factor == 1 and not parameters.dynamic_masking


def test_no_example_mixes_documents_but_for_random_pairs(built):
    entries = (built.train / "vocab.txt").read_text().splitlines()
    for example in examples(built.train):
        ids = originals(example)
        named = [
            {entries[index] for index in ids[example["segment_ids"] == segment]}
            for segment in (0, 1)
        ]
        first, second = (
            {token for token in tokens if token.startswith("doc")} for tokens in named
        )
        assert len(first) <= 1 and len(second) <= 1
        if first and second:
            assert (first == second) == (example["next_sentence_labels"][0] == 0)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_same_bytes_for_any_number_of_workers(built, tmp_path, num_workers):
    flags = built.again(tmp_path / "train") | {"num_workers": num_workers}
    succeed(*built.inputs, tmp_path / "train", **flags)
    assert digests(tmp_path / "train") == built.digests


def test_same_bytes_from_scratch_and_nothing_left_behind(built, tmp_path):
    flags = built.again(tmp_path / "train")
    del flags["tokenized_dir"]
    succeed(*built.inputs, tmp_path / "train", **flags)
    assert digests(tmp_path / "train") == built.digests


def test_second_run_changes_nothing_and_other_parameters_are_refused(built):
    before = {path: path.stat().st_mtime_ns for path in built.train.iterdir()}
    result = succeed(*built.inputs, built.train, **built.shared)
    assert "write records" not in result.stderr
    assert result.stdout == built.output
    message = fail(*built.inputs, built.train, **built.shared, dupe_factor=3)
    assert "made with `dupe_factor` 10, but now it is 3" in message
    assert before == {path: path.stat().st_mtime_ns for path in built.train.iterdir()}


def test_damage_in_a_finished_data_set_is_found(built, tmp_path):
    shutil.copytree(built.train, tmp_path / "train")
    shutil.copytree(built.eval, tmp_path / "train-eval")
    path = tmp_path / "train" / "pretraining.tfrecord-00002-of-00006"
    flip_a_bit(path)
    flags = built.again(tmp_path / "train")
    message = fail(*built.inputs, tmp_path / "train", **flags)
    assert f"{path}: damaged" in message


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_kills_at_random_moments_leave_no_trace(built, tmp_path):
    """SIGKILL, over and over, then the run is left alone."""
    directory = tmp_path / "train"
    # Enough passes for a kill to hit the middle of the work.
    flags = built.again(directory) | {"dupe_factor": 40}
    start = time.monotonic()
    undisturbed = built.again(tmp_path / "undisturbed") | {"dupe_factor": 40}
    succeed(*built.inputs, tmp_path / "undisturbed", **undisturbed)
    seconds = time.monotonic() - start
    rng = random.Random(0)
    for _ in range(NUM_KILLS):
        kill_after(rng.uniform(0.2, 1) * seconds, built, directory, flags)
        finished = (directory / "dataset_info.json").is_file()
        # A kill may come after the description and before the last cleaning up.
        names = {path.name for path in directory.glob("*")}
        assert not finished or names >= built.digests.keys()
    succeed(*built.inputs, directory, **flags)
    assert digests(directory) == digests(tmp_path / "undisturbed")
    assert digests(f"{directory}-eval") == digests(tmp_path / "undisturbed-eval")


def kill_after(seconds, built, directory, flags):
    process = subprocess.Popen(
        command(*built.inputs, directory, **flags),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    # The workers follow their parent, so that the next run is alone.
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("workers outlive their parent")


def test_damaged_shard_of_an_unfinished_run_is_named(built, tmp_path):
    directory = tmp_path / "train"
    flags = built.again(directory)
    # A file where the description should go stops the run at its very end.
    (directory / "dataset_info.json").mkdir(parents=True)
    message = fail(*built.inputs, directory, **flags)
    assert "dataset_info.json" in message
    path = directory / "pretraining.tfrecord-00004-of-00006"
    flip_a_bit(path)
    message = fail(*built.inputs, directory, **flags)
    assert f"{path}: damaged" in message and "Delete the file" in message
    assert "begun with `objective`" in fail(
        *built.inputs, directory, **flags, objective="none"
    )
    path.unlink()
    (directory / "dataset_info.json").rmdir()
    succeed(*built.inputs, directory, **flags)
    assert digests(directory) == built.digests


def test_full_disk_is_reported_and_the_run_goes_on_later(built, tmp_path):
    directory = tmp_path / "train"
    flags = built.again(directory)
    limit = min(path.stat().st_size for path in built.train.glob("*.tfrecord*")) // 2
    result = subprocess.run(
        command(*built.inputs, directory, **flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        # No file may grow any more, as when the disk is full.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert f"{directory}/pretraining.tfrecord-0000" in message
    assert "File too large. Make room and run the same command again" in message
    assert not list(directory.glob("*.tfrecord*"))
    succeed(*built.inputs, directory, **flags)
    assert digests(directory) == built.digests


def test_full_disk_while_the_text_is_tokenized(tmp_path, corpus_file, vocab_file):
    directory = tmp_path / "train"
    result = subprocess.run(
        command(corpus_file, vocab_file, directory),
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    message = result.stderr.splitlines()[-1]
    assert f"{directory}/.progress/corpus/block-00000" in message
    assert "File too large. Make room" in message


@pytest.mark.parametrize(
    "flags",
    [
        {"max_seq_length": 64, "max_predictions_per_seq": 10},
        {"objective": "sentence_order", "do_whole_word_mask": True},
        {"objective": "none", "max_ngram_size": 3},
        {"dynamic_masking": True, "dupe_factor": 2},
    ],
)
def test_other_data_sets_of_the_same_tokenized_corpus(built, tmp_path, flags):
    directory = tmp_path / "train"
    result = succeed(*built.inputs, directory, **(built.again(directory) | flags))
    assert "tokenize" not in result.stderr
    info = DatasetInfo.load(directory)
    for name, value in flags.items():
        assert getattr(info.parameters, name) == value
    first = next(examples(directory))
    assert ("masked_lm_ids" in first) != info.parameters.dynamic_masking
    statistics = info.statistics
    label_rate = statistics.get("random_pair_rate", statistics.get("swapped_pair_rate"))
    if info.parameters.objective == "none":
        assert label_rate is None
        labels = [example["next_sentence_labels"][0] for example in examples(directory)]
        assert not np.any(labels)
    elif info.parameters.objective == "sentence_order":
        assert label_rate == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"max_seq_length": 4}, "`max_seq_length` must be at least 5"),
        ({"max_predictions_per_seq": 33}, "between 1 and `max_seq_length` (32)"),
        ({"input_file": "nowhere.txt"}, "nowhere.txt: no such file"),
        ({"vocab_file": "nowhere.txt"}, "nowhere.txt: No such file"),
        ({"num_shards": 5}, "begun with `num_shards` 6, but now it is 5"),
    ],
)
def test_bad_flags_are_one_line(built, tmp_path, flags, message):
    directory = tmp_path / "train"
    assert message in fail(*built.inputs, directory, **(built.again(directory) | flags))
    assert not list(directory.glob("*.tfrecord*"))


def test_bad_folders_are_one_line(built, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert "Not a directory" in fail(*built.inputs, file / "train", **built.shared)
    flags = built.again(tmp_path)
    assert f"{tmp_path}: holds other files" in fail(*built.inputs, tmp_path, **flags)
    for name in ("eval_output_dir", "tokenized_dir"):
        same = flags | {name: tmp_path / "no" / ".." / "train"}
        message = fail(*built.inputs, tmp_path / "train", **same)
        assert "each data set needs a folder of its own" in message
    assert not (tmp_path / "train").exists()
    message = fail(*built.inputs, "s3://bucket/train", **built.shared)
    assert "s3:/bucket/train: must be a path of this machine" in message
    assert not (ROOT / "s3:").exists()


@pytest.mark.parametrize("name", ["output_dir", "tokenized_dir"])
def test_folder_of_a_running_job_is_refused(built, tmp_path, name):
    directory = tmp_path / "train"
    busy = directory if name == "output_dir" else built.shared[name]
    busy.mkdir(exist_ok=True)
    descriptor = os.open(busy, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        message = fail(*built.inputs, directory, **built.again(directory))
    finally:
        os.close(descriptor)
    assert f"{busy}: another run is writing here" in message


def test_vocabulary_without_mask_is_one_line(tmp_path, corpus_file, vocab_file):
    shutil.copytree(vocab_file.parent, tmp_path / "vocabulary")
    vocabulary = tmp_path / "vocabulary" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("[MASK]\n", ""))
    message = fail(corpus_file, vocabulary, tmp_path / "train")
    assert f"{vocabulary}: no [MASK]" in message


def test_one_document_is_too_few_for_random_pairs(tmp_path, vocab_file):
    path = tmp_path / "text.txt"
    path.write_text("bale.\ndino.\n" * 10)
    message = fail(path, vocab_file, tmp_path / "train", num_shards=1)
    assert "1 documents are too few for 1 shards" in message
    assert "a blank line ends one" in message
    assert not (tmp_path / "train" / "dataset_info.json").exists()


def test_text_that_is_not_utf8_is_one_line(tmp_path, vocab_file):
    path = tmp_path / "text.txt"
    path.write_bytes(b"bale.\n\xff\n")
    message = fail(path, vocab_file, tmp_path / "train")
    assert f"{path}: line 2" in message and "not UTF-8" in message


def test_what_is_left_out_is_reported(tmp_path, corpus_file, vocab_file):
    path = tmp_path / "text.txt"
    text = corpus_file.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(b"bale \x00.\n\xff\xfe\n" + text + b"\n\n\xe2\x80\x8b\n")
    result = succeed(path, vocab_file, tmp_path / "train", bad_input="skip")
    assert f"left out: a NUL: 1, first {path}: line 1" in result.stdout
    assert f"left out: not UTF-8: 1, first {path}: line 2" in result.stdout
    assert "left out: documents without tokens: 1" in result.stdout
    inputs = DatasetInfo.load(tmp_path / "train").statistics["inputs"]
    assert inputs["num_documents"] == 61 and inputs["skipped: a NUL"] == 1


@pytest.fixture
def bare_vocabulary(tmp_path, vocab_file):
    """A `vocab.txt` alone, as google-research/bert's models come with."""
    path = tmp_path / "bare" / "vocab.txt"
    path.parent.mkdir()
    path.write_bytes(vocab_file.read_bytes())
    return path


def test_a_plain_vocabulary_and_many_random_pairs(
    tmp_path, corpus_file, bare_vocabulary
):
    with bare_vocabulary.open("a") as file:
        file.write("हिन्दी\n")
    text = tmp_path / "one sentence a document.txt"
    text.write_text(corpus_file.read_text().replace("\n", "\n\n"))
    directory = tmp_path / "train and test"
    result = succeed(text, bare_vocabulary, directory, max_seq_length=64)
    assert (
        f"{bare_vocabulary}: no tokenizer_config.json beside it. Text is lower-cased, "
        "since no entry has a capital letter, and keeps its accents, since entries "
        "have them; --do_lower_case=false keeps case." in result.stdout
    )
    config = Dataset.open(directory).vocabulary.config
    assert config.do_lower_case and not config.strips_accents
    assert "100% of the pairs are random: most documents hold one sentence" in (
        result.stdout
    )
    assert "--objective=sentence_order" in result.stdout
    # One word in three of a sentence's second words is "é".
    assert "of the text's characters are in words that the vocabulary" in result.stdout
    assert f"--input_dir='{directory}'" in result.stdout


def test_do_lower_case_stands_in_for_missing_settings(
    tmp_path, corpus_file, bare_vocabulary
):
    flags = {"do_lower_case": "false"}
    result = succeed(corpus_file, bare_vocabulary, tmp_path / "train", **flags)
    assert "no tokenizer_config.json" not in result.stdout
    assert not Dataset.open(tmp_path / "train").vocabulary.config.do_lower_case
    assert not list(bare_vocabulary.parent.glob("tokenizer*"))


def test_a_capital_letter_shows_that_case_is_kept(tmp_path, bare_vocabulary):
    bare_vocabulary.write_text(bare_vocabulary.read_text() + "Bale\n")
    text = tmp_path / "text.txt"
    text.write_text("Bale dino.\nBale bale.\n\nBale.\n" * 20)
    result = succeed(text, bare_vocabulary, tmp_path / "train", num_shards=1)
    assert "Case is kept, since entries have capital letters" in result.stdout
    assert not Dataset.open(tmp_path / "train").vocabulary.config.do_lower_case


def test_do_lower_case_must_agree_with_the_settings(tmp_path, corpus_file, vocab_file):
    message = fail(corpus_file, vocab_file, tmp_path / "train", do_lower_case="false")
    assert (
        f"--do_lower_case=false contradicts {vocab_file.parent}/tokenizer_config.json, "
        "which says true" in message
    )
    assert not (tmp_path / "train").exists()
