"""Tokenized documents as flat arrays, and the shard that each belongs to."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True)
class Documents:
    """Documents of sentences of tokens, none of them empty.

    Attributes:
        tokens: any integer type `[num_tokens]`, all token ids one after the other.
        sentence_starts: int64 `[num_sentences + 1]`, where each sentence starts in
            `tokens`; the last entry is `num_tokens`.
        document_starts: int64 `[num_documents + 1]`, where each document starts in
            `sentence_starts`; the last entry is `num_sentences`.
    """

    tokens: np.ndarray
    sentence_starts: np.ndarray
    document_starts: np.ndarray

    @property
    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """How many sentences all documents have."""
        return len(self.sentence_starts) - 1

    @classmethod
    def from_lengths(
        cls,
        tokens: np.ndarray,
        sentence_lengths: np.ndarray,
        document_lengths: np.ndarray,
    ) -> Self:
        """Builds documents from tokens a sentence and sentences a document."""
        return cls(tokens, _starts(sentence_lengths), _starts(document_lengths))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Joins documents, the parts' order kept."""
        return cls.from_lengths(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([np.diff(part.sentence_starts) for part in parts]),
            np.concatenate([np.diff(part.document_starts) for part in parts]),
        )

    def take(self, documents: np.ndarray) -> "Documents":
        """Returns these documents, in this order."""
        sentences = _members(self.document_starts, documents)
        return Documents.from_lengths(
            self.tokens[_members(self.sentence_starts, sentences)],
            np.diff(self.sentence_starts)[sentences],
            np.diff(self.document_starts)[documents],
        )

    def split_long_sentences(
        self, size: int, is_continuation: np.ndarray
    ) -> "Documents":
        """Cuts long sentences into parts.

        Args:
            size: tokens of a part. It goes on to the end of a word that ends no more
                than a quarter later, and so long may a sentence or its last part be.
            is_continuation: bool `[vocab_size]`, whether an entry goes on a word.
        """
        slack = size // 4
        long = np.flatnonzero(np.diff(self.sentence_starts) > size + slack)
        if not len(long):
            return self
        cuts = []
        for begin, end in zip(
            self.sentence_starts[long].tolist(),
            self.sentence_starts[long + 1].tolist(),
            strict=True,
        ):
            while end - begin > size + slack:
                begin += size
                following = self.tokens[begin : begin + slack + 1]
                word_starts = np.flatnonzero(~is_continuation[following])
                begin += int(word_starts[0]) if len(word_starts) else 0
                cuts.append(begin)
        starts = np.union1d(self.sentence_starts, np.array(cuts, np.int64))
        return Documents(
            self.tokens,
            starts,
            np.searchsorted(starts, self.sentence_starts[self.document_starts]),
        )

    @classmethod
    def from_lists(cls, documents: Sequence[Sequence[Sequence[int]]]) -> Self:
        """Builds documents from nested lists of token ids."""
        sentences = [sentence for document in documents for sentence in document]
        return cls.from_lengths(
            np.array([token for sentence in sentences for token in sentence], np.int32),
            np.array([len(sentence) for sentence in sentences]),
            np.array([len(document) for document in documents]),
        )


@dataclasses.dataclass(frozen=True)
class ShardAssignment:
    """Which shard a document belongs to, known without reading any other document.

    Each run of as many documents as there are shards is dealt out one a shard,
    beginning at a shard drawn by a hash: as random as needed to mix the corpus, and
    even enough that no shard of a small corpus stays empty by chance. The held-out
    documents are dealt out in the same way, into shards of their own.

    Attributes:
        num_shards: shards to train on.
        num_eval_shards: shards of held-out documents, numbered after the others.
        eval_fraction: share of documents that are held out; 0 for none.
    """

    num_shards: int
    num_eval_shards: int = 0
    eval_fraction: float = 0.0

    @property
    def total(self) -> int:
        """How many shards there are of both kinds."""
        return self.num_shards + self.num_eval_shards

    def shard(self, file_index: int, document_index: int) -> int:
        """Returns a document's shard.

        Args:
            file_index: number of the document's file in the inputs.
            document_index: number of the document in its file.
        """
        # Files of one document each must be dealt out like documents of one file.
        place = file_index + document_index
        if self.num_eval_shards:
            period = round(1 / self.eval_fraction)
            if _deal(place, period, "held out") == 0:
                return self.num_shards + _deal(place, self.num_eval_shards, "eval")
        return _deal(place, self.num_shards, "train")


def _deal(place: int, num_hands: int, purpose: str) -> int:
    key = f"{purpose}/{num_hands}/{place // num_hands}".encode()
    digest = hashlib.blake2b(key, digest_size=8).digest()
    return (place + int.from_bytes(digest, "little")) % num_hands


def _members(starts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns the members of groups, one group after the other."""
    lengths = np.diff(starts)[groups]
    shifts = np.repeat(starts[:-1][groups] - _starts(lengths)[:-1], lengths)
    return shifts + np.arange(len(shifts))


def _starts(lengths: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
