"""Documents as sequences of whole sentences, each with a [CLS] of its own.

Source: Liu and Lapata 2019, BertSum (arXiv:1908.08345), section 3.1.
"""

import dataclasses
from typing import Self

import numpy as np

from bert_tf.errors import InputError
from bert_tf.text.pieces import Pieces
from bert_tf.text.vocabulary import Vocabulary

# So that one runaway sentence does not fill a window.
_MAX_SENTENCE_LENGTH = 200


@dataclasses.dataclass(frozen=True)
class SentenceWindows:
    """Runs of sentences: `[CLS] first [SEP] [CLS] second [SEP] ...`.

    BertSum cuts a document where the model's length ends; here it goes on in another
    window, so that every sentence gets a score.

    Attributes:
        documents: int32 `[windows]`, the document of each; those of one lie together.
        sentence_splits: int64 `[windows + 1]`; window i has the sentences, counted
            over all documents, from `sentence_splits[i]` to `sentence_splits[i + 1]`.
        cls_positions: int32 `[sentences]`, where in its window each one's [CLS] is.
        input_ids: int32 `[tokens]` of all windows.
        segment_ids: int32 `[tokens]`, 0 and 1 by turns from sentence to sentence.
        row_splits: int64 `[windows + 1]`, where each window's tokens begin.
        num_cut: windows in which a sentence lost its end.
    """

    documents: np.ndarray
    sentence_splits: np.ndarray
    cls_positions: np.ndarray
    input_ids: np.ndarray
    segment_ids: np.ndarray
    row_splits: np.ndarray
    num_cut: int = 0

    def __len__(self) -> int:
        return len(self.documents)

    def followed_by(self, other: Self) -> Self:
        """Returns these windows and those of other documents."""

        def join(name: str, offset: int = 0) -> np.ndarray:
            first, second = getattr(self, name), getattr(other, name)
            if name.endswith("_splits"):
                second = second[1:]
            return np.concatenate([first, second + offset])

        return type(self)(
            documents=join("documents", int(self.documents[-1]) + 1),
            sentence_splits=join("sentence_splits", int(self.sentence_splits[-1])),
            cls_positions=join("cls_positions"),
            input_ids=join("input_ids"),
            segment_ids=join("segment_ids"),
            row_splits=join("row_splits", int(self.row_splits[-1])),
            num_cut=self.num_cut + other.num_cut,
        )

    @classmethod
    def build(
        cls,
        sentences: Pieces,
        document_lengths: np.ndarray,
        vocabulary: Vocabulary,
        *,
        max_seq_length: int,
        max_sentence_length: int = _MAX_SENTENCE_LENGTH,
    ) -> Self:
        """Fills windows with whole sentences, in order, as many as fit.

        Args:
            sentences: of all documents.
            document_lengths: integers `[documents]`, sentences of each; at least one.
            vocabulary: for [CLS] and [SEP].
            max_seq_length: tokens of a window at most.
            max_sentence_length: pieces of a sentence at most; it loses its end.

        Raises:
            InputError: a window would have no room for a piece.
        """
        if max_seq_length < 3:
            raise InputError(
                "`max_seq_length` must be at least 3, for [CLS], a piece and [SEP]. "
                f"Received: {max_seq_length}"
            )
        longest = longest_sentence(max_seq_length, max_sentence_length)
        lengths = np.minimum(sentences.lengths, longest) + 2
        document_of = np.repeat(np.arange(len(document_lengths)), document_lengths)
        documents: list[int] = []
        starts: list[int] = []
        positions = np.zeros(len(lengths), np.int32)
        turns = np.zeros(len(lengths), np.int32)
        filled, turn = 0, 0
        for index, (length, document) in enumerate(
            zip(lengths.tolist(), document_of.tolist(), strict=True)
        ):
            if (
                not documents
                or document != documents[-1]
                or filled + length > max_seq_length
            ):
                documents.append(document)
                starts.append(index)
                filled, turn = 0, 0
            positions[index], turns[index] = filled, turn
            filled += length
            turn = 1 - turn
        splits = np.array([*starts, len(lengths)], np.int64)
        token_splits = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=token_splits[1:])
        input_ids = np.empty(token_splits[-1], np.int32)
        input_ids[token_splits[:-1]] = vocabulary.cls_id
        input_ids[token_splits[1:] - 1] = vocabulary.sep_id
        for index in range(len(lengths)):
            inside = slice(token_splits[index] + 1, token_splits[index + 1] - 1)
            input_ids[inside] = sentences[index][:longest]
        cut = np.flatnonzero(sentences.lengths > longest)
        return cls(
            documents=np.array(documents, np.int32),
            sentence_splits=splits,
            cls_positions=positions,
            input_ids=input_ids,
            segment_ids=np.repeat(turns, lengths),
            row_splits=token_splits[splits],
            num_cut=len(np.unique(np.searchsorted(splits, cut, side="right"))),
        )


def longest_sentence(
    max_seq_length: int, max_sentence_length: int = _MAX_SENTENCE_LENGTH
) -> int:
    """Returns how many pieces of a sentence a model sees at most."""
    return min(max_sentence_length, max_seq_length - 2)


def most_sentences(max_seq_length: int) -> int:
    """Returns how many sentences a window can hold, each with [CLS] and [SEP]."""
    return max_seq_length // 2
