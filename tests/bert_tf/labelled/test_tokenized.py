"""What was tokenized is found again, unless anything about it is another."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_tf.labelled import tokenized
from bert_tf.labelled.tokenized import (
    default_cache_directory,
    length_line,
    packed_lengths,
    tokenize_cached,
)
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[3]
ENTRIES = [*SPECIAL_TOKENS, "a", "b", "##b", "é", "e"]
VOCABULARY = Vocabulary.from_entries(ENTRIES, TokenizerConfig())
TEXTS = {"text": ["a ab", "", "É b"], "text_pair": ["b", "a", "a a"]}


def files(directory):
    return sorted(directory.glob("*"))


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(array, tokenized._arrays(other)[name])
        for name, array in tokenized._arrays(one).items()
    )


@pytest.fixture
def no_tokenizer(monkeypatch):
    """Fails where something is tokenized."""

    def refuse(*arguments):
        raise AssertionError("tokenized")

    return lambda: monkeypatch.setattr(tokenized, "_tokenize", refuse)


@pytest.mark.parametrize("with_offsets", [False, True])
def test_the_second_time_nothing_is_tokenized(tmp_path, no_tokenizer, with_offsets):
    options = {"with_offsets": with_offsets}
    directory = tmp_path / "new" / "folder"
    first = tokenize_cached(TEXTS, VOCABULARY, directory, **options)
    (path,) = files(directory)
    assert first.note == f"tokenized; kept for later runs in {path}"
    text = first.pieces["text"]
    assert [text[row].tolist() for row in range(3)] == [[5, 5, 7], [], [9, 6]]
    alone = tokenize_cached(TEXTS, VOCABULARY, None, **options)
    assert equal(first.pieces, alone.pieces)
    no_tokenizer()
    second = tokenize_cached(TEXTS, VOCABULARY, directory, **options)
    assert second.note == f"tokenized before: {path}"
    assert equal(first.pieces, second.pieces)
    assert second.pieces["text"].ids.dtype == np.int32
    assert (second.pieces["text"].starts is not None) == with_offsets


def test_whatever_is_another_is_tokenized(tmp_path):
    cased = TokenizerConfig(do_lower_case=False)
    accents = TokenizerConfig(strip_accents=False)
    swapped = [*ENTRIES[:-2], "e", "é"]
    keys = {
        tokenized._key(TEXTS, VOCABULARY, False),
        tokenized._key(TEXTS, VOCABULARY, True),
        tokenized._key(TEXTS, Vocabulary.from_entries(ENTRIES, cased), False),
        tokenized._key(TEXTS, Vocabulary.from_entries(ENTRIES, accents), False),
        tokenized._key(TEXTS, Vocabulary.from_entries(swapped, cased), False),
        tokenized._key({**TEXTS, "text": ["a a", "b", "É b"]}, VOCABULARY, False),
        tokenized._key({**TEXTS, "text": ["aab", "", "É b"]}, VOCABULARY, False),
        tokenized._key({**TEXTS, "text": ["a a", "bÉ ", "b"]}, VOCABULARY, False),
        tokenized._key({"text": TEXTS["text"]}, VOCABULARY, False),
        tokenized._key({"other": TEXTS["text"]}, VOCABULARY, False),
    }
    assert len(keys) == 10
    # What does the same is the same.
    explicit = TokenizerConfig(do_lower_case=True, strip_accents=True)
    same = Vocabulary.from_entries(ENTRIES, explicit)
    assert tokenized._key(TEXTS, same, False) in keys


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    first = tokenize_cached(TEXTS, VOCABULARY, tmp_path)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    if damage == "foreign":
        tokenized.write_tensors(path, {"other": np.zeros(3)})
    else:
        flipped = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
        damaged = {"cut": whole[:-1], "flip": flipped, "empty": b""}[damage]
        path.write_bytes(damaged)
    again = tokenize_cached(TEXTS, VOCABULARY, tmp_path)
    assert again.note.startswith("tokenized; kept")
    assert equal(first.pieces, again.pieces)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    result = tokenize_cached(TEXTS, VOCABULARY, tmp_path / "file")
    assert result.note.startswith("tokenized; not kept for later: ")
    assert len(result.pieces["text"]) == 3


def test_the_longest_unused_go_first(tmp_path, monkeypatch):
    def texts(number):
        return {"text": ["a"] * (number + 1)}

    for number in range(3):
        tokenize_cached(texts(number), VOCABULARY, tmp_path)
    paths = files(tmp_path)
    for path in paths:
        os.utime(path, (1, 1))
    tokenize_cached(texts(0), VOCABULARY, tmp_path)
    (used,) = [path for path in paths if path.stat().st_mtime > 1]
    monkeypatch.setattr(tokenized, "_MAX_CACHE_BYTES", 2 * used.stat().st_size + 100)
    tokenize_cached(texts(5), VOCABULARY, tmp_path)
    assert used in files(tmp_path)
    assert len(files(tmp_path)) == 2
    # What was just made stays, however large.
    monkeypatch.setattr(tokenized, "_MAX_CACHE_BYTES", 1)
    tokenize_cached(texts(6), VOCABULARY, tmp_path)
    assert len(files(tmp_path)) == 1


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_directory() == tmp_path / "bert-tf" / "tokenized"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_directory() == tmp_path / ".cache" / "bert-tf" / "tokenized"


def test_lengths():
    pieces = tokenize_cached(TEXTS, VOCABULARY, None).pieces
    text, pair = pieces["text"], pieces["text_pair"]
    assert packed_lengths(text).tolist() == [5, 2, 4]
    assert packed_lengths(text, pair).tolist() == [7, 4, 7]
    assert length_line(packed_lengths(text), 5) is None
    assert length_line(packed_lengths(text, pair), 6) == (
        "2 texts (66.7%) are longer than 6 tokens and lose their end; the longest "
        "has 7, half have up to 7"
    )


CODE = """
import sys
from pathlib import Path
from bert_tf.labelled.tokenized import tokenize_cached
from bert_tf.text.vocabulary import Vocabulary
vocabulary = Vocabulary.load(sys.argv[1])
texts = {"text": ["a ab", "b"]}
print(tokenize_cached(texts, vocabulary, Path(sys.argv[2])).note.split(":")[0])
print("tensorflow" in sys.modules)
"""


def test_tensorflow_loads_only_to_tokenize(tmp_path):
    (tmp_path / "vocabulary").mkdir()
    VOCABULARY.save(tmp_path / "vocabulary")
    tokenize_cached({"text": ["a ab", "b"]}, VOCABULARY, tmp_path / "cache")
    result = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path / "vocabulary", tmp_path / "cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split("\n")[:2] == ["tokenized before", "False"]
