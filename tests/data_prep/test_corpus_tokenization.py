import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bert_tf.storage.input_files import find_input_files
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep.corpus import CorpusOptions
from data_prep.corpus_tokenization import CorpusSource, tokenize_corpus
from data_prep.documents import ShardAssignment
from data_prep.tokenized_corpus import TokenizedCorpus

ROOT = Path(__file__).parents[2]
NUM_SHARDS = 3
TOKENIZER = TokenizerConfig(do_lower_case=True, strip_accents=None)

# Two files, one with faults, so that blocks end in the middle of either.
TEXT = "\n\n".join("\n".join(["balé doru"] * 3 + [f"doc{i}"]) for i in range(20))
FAULTY = (
    b"\xff\xfe\nbale.\nkoru\n\n\nfino\n\x00\n\nbale bale\n\n" + b"fino bale.\n\n" * 20
)


@pytest.fixture
def source(tmp_path, vocab_file):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_bytes(FAULTY)
    return CorpusSource(
        files=find_input_files(f"{tmp_path}/*.txt"),
        options=CorpusOptions(bad_input="skip"),
        vocabulary=Vocabulary.load_file(vocab_file, TOKENIZER),
        assignment=ShardAssignment(NUM_SHARDS),
    )


def tokenize(source, directory, block_characters=1 << 20):
    tokenize_corpus(source, directory, num_threads=2, block_characters=block_characters)
    return TokenizedCorpus(directory)


def contents(corpus):
    shards = [corpus.read_shard(shard) for shard in range(NUM_SHARDS)]
    arrays = ("tokens", "sentence_starts", "document_starts")
    return [[getattr(shard, name).tolist() for name in arrays] for shard in shards]


def test_shards_hold_all_documents_once(source, tmp_path, vocab_file):
    corpus = tokenize(source, tmp_path / "tokens")
    entries = vocab_file.read_text().splitlines()
    found = []
    for shard in range(NUM_SHARDS):
        documents = corpus.read_shard(shard)
        assert documents.tokens.dtype == np.uint8  # the vocabulary is that small
        words = np.array(entries)[documents.tokens].tolist()
        starts = documents.sentence_starts[documents.document_starts]
        for begin, end in zip(starts, starts[1:], strict=False):
            found.append(" ".join(words[begin:end]))
    expected = [f"{'bale doru ' * 3}doc{i}" for i in range(20)]
    expected += ["bale . koru", "fino", "bale bale"] + ["fino bale ."] * 20
    assert sorted(found) == sorted(expected)
    sizes = corpus.shard_sizes()
    assert sizes[:, 0].sum() == 43
    assert sizes[:, 2].sum() == corpus.counts()["num_tokens"]


def test_what_is_left_out_is_counted(source, tmp_path):
    corpus = tokenize(source, tmp_path / "tokens")
    counts = corpus.counts()
    assert counts["num_files"] == 2
    assert counts["num_bytes"] == sum(file.num_bytes for file in source.files)
    assert counts["num_documents"] == 43
    assert counts["skipped: not UTF-8"] == 1
    assert counts["skipped: a NUL"] == 1
    assert "b.txt: line 1 " in corpus.examples()["not UTF-8"]


def test_documents_without_tokens_are_left_out_and_counted(tmp_path, vocab_file):
    path = tmp_path / "a.txt"
    path.write_text("bale кофе\n\u200b\n\n\u200b\u200b\n\nfino\n")
    source = CorpusSource(
        files=find_input_files(str(path)),
        options=CorpusOptions(),
        vocabulary=Vocabulary.load_file(vocab_file, TOKENIZER),
        assignment=ShardAssignment(1),
    )
    corpus = tokenize(source, tmp_path / "tokens")
    assert corpus.counts()["num_sentences_without_tokens"] == 2
    assert corpus.counts()["num_documents_without_tokens"] == 1
    assert corpus.shard_sizes().tolist() == [[2, 2, 3]]
    # One token in three is unknown, but four characters in fifteen.
    assert corpus.counts()["num_characters"] == 15
    assert corpus.counts()["num_unknown_characters"] == 4


def test_blocks_of_any_size_hold_the_same_shards(source, tmp_path, monkeypatch):
    whole = tokenize(source, tmp_path / "whole")
    monkeypatch.setattr("data_prep.corpus_tokenization._CALL_CHARACTERS", 10)
    for size in (1, 300):
        parts = tokenize(source, tmp_path / f"parts-{size}", size)
        assert parts.progress()[0] > whole.progress()[0]
        assert contents(parts) == contents(whole)
        assert parts.counts() == whole.counts()
        assert parts.examples() == whole.examples()


def test_resumes_after_any_block(source, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.corpus_tokenization._CALL_CHARACTERS", 10)
    corpus = tokenize(source, tmp_path / "tokens", 150)
    expected, counts = contents(corpus), corpus.counts()
    num_blocks, _ = corpus.progress()
    assert num_blocks > 5
    for kept in reversed(range(num_blocks + 1)):
        (corpus.directory / "finished.json").unlink()
        for block in range(kept, num_blocks):
            shutil.rmtree(corpus.directory / f"block-{block:05d}", ignore_errors=True)
        tokenize(source, corpus.directory, 150)
        assert contents(corpus) == expected
        assert corpus.counts() == counts
        assert corpus.progress()[0] == num_blocks


@pytest.mark.slow
def test_kill_while_tokenizing(source, tmp_path, vocab_file):
    directory = tmp_path / "tokens"
    code = f"""
import time
from pathlib import Path
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep import corpus_tokenization
from bert_tf.storage.input_files import find_input_files
from data_prep.corpus import CorpusOptions
from data_prep.documents import ShardAssignment
from data_prep.tokenized_corpus import TokenizedCorpus
corpus_tokenization._CALL_CHARACTERS = 10
write = TokenizedCorpus.write_block
def slowly(*args, **kwargs):
    time.sleep(0.05)
    write(*args, **kwargs)
TokenizedCorpus.write_block = slowly
source = corpus_tokenization.CorpusSource(
    find_input_files("{tmp_path}/*.txt"), CorpusOptions(bad_input="skip"),
    Vocabulary.load_file("{vocab_file}", TokenizerConfig()),
    ShardAssignment({NUM_SHARDS}),
)
corpus_tokenization.tokenize_corpus(source, Path("{directory}"), 2, 50)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (directory / "block-00003").is_dir():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    corpus = TokenizedCorpus(directory)
    assert not corpus.is_finished
    resumed = tokenize(source, directory)
    assert contents(resumed) == contents(tokenize(source, tmp_path / "undisturbed"))


@pytest.mark.parametrize("name", ["tokens", "sentence_lengths", "shards"])
def test_damaged_block_is_named(source, tmp_path, name):
    corpus = tokenize(source, tmp_path / "tokens")
    path = corpus.directory / "block-00000" / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="block-00000: damaged"):
        contents(corpus)
    path.write_bytes(content[:50])
    with pytest.raises(ValueError, match=f"{name}.npy: damaged or missing"):
        contents(corpus)


def test_folder_of_another_corpus_is_refused(source, tmp_path):
    corpus = TokenizedCorpus(tmp_path / "tokens")
    parameters = source.parameters()
    corpus.open(parameters)
    corpus.open(parameters)
    other = Vocabulary.from_entries([*SPECIAL_TOKENS, "a"], TOKENIZER)
    with pytest.raises(ValueError, match=f"begun with `vocab_hash` .*{other.hash}"):
        corpus.open(dataclasses.replace(source, vocabulary=other).parameters())
