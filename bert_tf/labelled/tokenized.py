"""Tokenized texts that are kept on disk, so that a second run need not tokenize."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.files import atomic_path
from bert_tf.storage.safetensors_files import TensorFile, write_tensors
from bert_tf.text.pieces import Pieces, tokenize_texts
from bert_tf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from bert_tf.text.tokenization import BertTokenizer

# To be raised when the same texts and vocabulary give other arrays.
_VERSION = 1
_SUFFIX = ".pieces.safetensors"
_MAX_CACHE_BYTES = 8 * 2**30
_CHECKSUM = "checksum"


def default_cache_directory() -> Path:
    """Returns where tokenized texts are kept: the user's folder for caches."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "bert-tf" / "tokenized"


@dataclasses.dataclass(frozen=True)
class TokenizedTexts:
    """Lists of texts in pieces.

    Attributes:
        pieces: by the list's name.
        note: whether they were tokenized, and why they could not be kept.
    """

    pieces: Mapping[str, Pieces]
    note: str


def tokenize_cached(
    texts: Mapping[str, Sequence[str]],
    vocabulary: Vocabulary,
    cache_directory: Path | None,
    *,
    with_offsets: bool = False,
) -> TokenizedTexts:
    """Tokenizes lists of texts, or reads what an earlier call made of the same ones.

    The cache goes by the texts themselves, not by the files that they came from:
    whatever gave the same texts finds them. A damaged file is made again. Files that
    were not used for the longest time go when all take more than 8 GiB. TensorFlow
    loads only where something has to be tokenized.

    Args:
        texts: by name, for instance `text` and `text_pair`.
        vocabulary: with the treatment of case and accents.
        cache_directory: None to keep nothing.
        with_offsets: whether to find each piece's place in its text.
    """
    if cache_directory is None:
        return TokenizedTexts(_tokenize(texts, vocabulary, with_offsets), "tokenized")
    path = cache_directory / (_key(texts, vocabulary, with_offsets) + _SUFFIX)
    cached = _read(path, list(texts), with_offsets)
    if cached is not None:
        return TokenizedTexts(cached, f"tokenized before: {path}")
    pieces = _tokenize(texts, vocabulary, with_offsets)
    try:
        _write(path, pieces)
        _evict(cache_directory, keep=path)
    except OSError as error:
        # A full or read-only disk costs time at the next start, not this run.
        return TokenizedTexts(pieces, f"tokenized; not kept for later: {error}")
    return TokenizedTexts(pieces, f"tokenized; kept for later runs in {path}")


def packed_lengths(pieces: Pieces, pair: Pieces | None = None) -> np.ndarray:
    """Returns the tokens of each text or pair with [CLS] and [SEP], int64 `[texts]`."""
    return pieces.lengths + 2 if pair is None else pieces.lengths + pair.lengths + 3


def length_line(lengths: np.ndarray, max_seq_length: int) -> str | None:
    """Returns a line about texts that are too long; None if there are none.

    Args:
        lengths: integers `[texts]`, with [CLS] and [SEP]; at least one.
        max_seq_length: what the model takes.
    """
    num_long = int((lengths > max_seq_length).sum())
    if not num_long:
        return None
    return (
        f"{num_long:,} texts ({num_long / len(lengths):.1%}) are longer than "
        f"{max_seq_length} tokens and lose their end; the longest has "
        f"{lengths.max():,}, half have up to {int(np.median(lengths)):,}"
    )


def _tokenize(
    texts: Mapping[str, Sequence[str]], vocabulary: Vocabulary, with_offsets: bool
) -> dict[str, Pieces]:
    tokenizer = _tokenizer(vocabulary)
    return {
        name: tokenize_texts(tokenizer, part, with_offsets=with_offsets)
        for name, part in texts.items()
    }


@functools.lru_cache(maxsize=1)
def _tokenizer(vocabulary: Vocabulary) -> "BertTokenizer":
    """Returns the tokenizer, whose tables take a tenth of a second to build."""
    from bert_tf.text.tokenization import BertTokenizer

    return BertTokenizer(vocabulary)


def _key(
    texts: Mapping[str, Sequence[str]], vocabulary: Vocabulary, with_offsets: bool
) -> str:
    """Returns the hash of all that decides about the arrays."""
    digest = hashlib.blake2b(digest_size=20)
    settings = (
        _VERSION,
        importlib.metadata.version("tensorflow-text"),
        unicodedata.unidata_version,
        vocabulary.hash,
        vocabulary.config.do_lower_case,
        vocabulary.config.strips_accents,
        with_offsets,
    )
    digest.update(repr(settings).encode())
    for name, part in texts.items():
        encoded = [text.encode("utf-8") for text in part]
        lengths = np.fromiter(map(len, encoded), "<i8", len(encoded))
        digest.update(repr((name, len(part))).encode())
        digest.update(lengths.tobytes())
        digest.update(b"".join(encoded))
    return digest.hexdigest()


def _arrays(pieces: Mapping[str, Pieces]) -> dict[str, np.ndarray]:
    return {
        f"{name}/{field.name}": array
        for name, part in pieces.items()
        for field in dataclasses.fields(part)
        if (array := getattr(part, field.name)) is not None
    }


def _checksum(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(repr((name, arrays[name].dtype.str, arrays[name].shape)).encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return np.frombuffer(digest.digest(), np.uint8)


def _write(path: Path, pieces: Mapping[str, Pieces]) -> None:
    arrays = _arrays(pieces)
    with atomic_path(path) as temporary:
        write_tensors(temporary, {**arrays, _CHECKSUM: _checksum(arrays)})


def _read(
    path: Path, names: Sequence[str], with_offsets: bool
) -> dict[str, Pieces] | None:
    """Returns what a file holds; None if there is none, or it is damaged."""
    fields = ["ids", "row_splits", *(["starts", "ends"] if with_offsets else [])]
    try:
        file = TensorFile(path)
        arrays = {
            f"{name}/{field}": file[f"{name}/{field}"]
            for name in names
            for field in fields
        }
        if not np.array_equal(file[_CHECKSUM], _checksum(arrays)):
            return None
        os.utime(path)  # It was used: others go first.
    except (InputError, KeyError, OSError):
        return None
    return {
        name: Pieces(**{field: arrays[f"{name}/{field}"] for field in fields})
        for name in names
    }


def _evict(directory: Path, keep: Path) -> None:
    """Removes the files that were used longest ago until the rest is small enough."""
    found = []
    for path in directory.glob(f"*{_SUFFIX}"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # Another run was faster.
        found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total > _MAX_CACHE_BYTES and path != keep:
            path.unlink(missing_ok=True)
            total -= size
