"""WordPieces of many texts in flat arrays, with their places in the texts."""

import concurrent.futures
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from tqdm import tqdm

from bert_tf.text.offsets import character_offsets
from bert_tf.text.tokenization import BertTokenizer

# Text a call of the tokenizer.
_CALL_CHARACTERS = 1 << 18
_BAR_DELAY_SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The pieces of a list of texts, without [CLS] and [SEP].

    Attributes:
        ids: int32 `[pieces]`, text after text.
        row_splits: int64 `[texts + 1]`; text i has the pieces from `row_splits[i]` up
            to `row_splits[i + 1]`.
        starts: int32 `[pieces]`, each piece's first character in its text; None if
            offsets were not asked for.
        ends: int32 `[pieces]`, the character behind its last.
    """

    ids: np.ndarray
    row_splits: np.ndarray
    starts: np.ndarray | None = None
    ends: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns the ids of a text."""
        return self.ids[self.row_splits[index] : self.row_splits[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """How many pieces each text has, int64 `[texts]`."""
        return np.diff(self.row_splits)

    def offsets(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the pieces of a text start and end, in characters."""
        assert self.starts is not None and self.ends is not None
        row = slice(self.row_splits[index], self.row_splits[index + 1])
        return self.starts[row], self.ends[row]

    def take(self, indices: np.ndarray) -> Self:
        """Returns the pieces of some texts, any number of times, without offsets."""
        lengths = self.lengths[indices]
        splits = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=splits[1:])
        within = np.arange(splits[-1]) - np.repeat(splits[:-1], lengths)
        ids = self.ids[np.repeat(self.row_splits[indices], lengths) + within]
        return type(self)(ids, splits)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Joins the texts of several values, all with offsets or all without."""
        lengths = [part.lengths for part in parts]
        splits = np.zeros(sum(map(len, lengths)) + 1, np.int64)
        np.cumsum(np.concatenate([*lengths, np.empty(0, np.int64)]), out=splits[1:])

        def join(arrays: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate([*arrays, np.empty(0, np.int32)])

        ids = join([part.ids for part in parts])
        starts = [part.starts for part in parts if part.starts is not None]
        ends = [part.ends for part in parts if part.ends is not None]
        if not parts or len(starts) < len(parts):
            return cls(ids, splits)
        return cls(ids, splits, join(starts), join(ends))


def tokenize_texts(
    tokenizer: BertTokenizer,
    texts: Sequence[str],
    *,
    with_offsets: bool = False,
    num_threads: int | None = None,
) -> Pieces:
    """Tokenizes texts in batches, outside of Python's lock.

    Args:
        tokenizer: BERT's.
        texts: any number.
        with_offsets: whether to find each piece's place in its text.
        num_threads: None for the processors that the process may use.

    Returns:
        The pieces; the same for any number of threads.
    """

    def tokenize(batch: Sequence[str]) -> Pieces:
        if not with_offsets:
            ids = tokenizer.tokenize(batch)
            splits = ids.row_splits.numpy()
            return Pieces(ids.flat_values.numpy(), splits)
        ids, starts, ends = tokenizer.tokenize_with_byte_offsets(batch)
        places = character_offsets(
            batch,
            ids.row_splits.numpy(),
            ids.flat_values.numpy(),
            starts.flat_values.numpy(),
            ends.flat_values.numpy(),
            tokenizer.vocabulary,
        )
        return Pieces(ids.flat_values.numpy(), ids.row_splits.numpy(), *places)

    parts: list[Pieces] = []
    num_threads = num_threads or len(os.sched_getaffinity(0))
    bar = tqdm(
        desc="tokenize",
        total=sum(map(len, texts)),
        unit=" characters",
        unit_scale=True,
        delay=_BAR_DELAY_SECONDS,
        file=sys.stderr,
    )
    with bar, concurrent.futures.ThreadPoolExecutor(num_threads) as threads:
        batches = list(_batches(texts))
        for batch, pieces in zip(batches, threads.map(tokenize, batches), strict=True):
            parts.append(pieces)
            bar.update(sum(map(len, batch)))
    return Pieces.concatenate(parts)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = num_characters = 0
    for index, text in enumerate(texts):
        num_characters += len(text)
        if num_characters >= _CALL_CHARACTERS:
            yield texts[start : index + 1]
            start, num_characters = index + 1, 0
    if start < len(texts):
        yield texts[start:]
