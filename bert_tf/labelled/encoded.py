"""Labelled examples as ids: what a model reads of them, in one flat array each.

An example is one sequence, `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, or several: the
windows of a long one, or a group that is learned together, as the choices of a question
or the texts of a pair. Where sentences are what is judged, a sequence has a [CLS] at
the head of each. Nothing is padded here; batches are made when they are read.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from bert_tf.text.pieces import Pieces
from bert_tf.text.sentence_windows import SentenceWindows
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows

if TYPE_CHECKING:
    from bert_tf.labelled.target_sequences import TargetSequences

# Of a target that counts for nothing: a piece that no label is meant for.
IGNORED = -1


@dataclasses.dataclass(frozen=True)
class EncodedExamples:
    """Examples as ids, and what is to be learned of them.

    N: sequences, T: tokens, C: [CLS]s, one a sequence or one a sentence.

    Attributes:
        input_ids: int32 `[T]`, of all sequences, one after the other.
        starts: int64 `[N + 1]`, where each one starts in `input_ids`; T at the end.
        first_lengths: int32 `[N]`, tokens of `[CLS] A [SEP]`; segment 1 follows.
        targets: name -> `[N, ...]`.
        token_targets: name -> `[T]`, `IGNORED` where there is none; or floating point,
            `[T, ...]`.
        cls_targets: name -> `[C]`, likewise; or floating point.
        num_cut: sequences that were longer than allowed and lost tokens.
        windows: the sequences as parts of long texts; None if each is an example.
        contexts: the pieces of the texts that `windows` divides, with their places.
        group_splits: int64 `[examples + 1]`, where an example is a group of sequences:
            those from `group_splits[i]` up to `group_splits[i + 1]`; else None.
        sentences: the sequences as runs of sentences with a [CLS] each; else None.
        written: what is to be written of each sequence; None if nothing is.
    """

    input_ids: np.ndarray
    starts: np.ndarray
    first_lengths: np.ndarray
    targets: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    token_targets: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    cls_targets: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    num_cut: int = 0
    windows: Windows | None = None
    contexts: Pieces | None = None
    group_splits: np.ndarray | None = None
    sentences: SentenceWindows | None = None
    written: "TargetSequences | None" = None

    def __len__(self) -> int:
        return len(self.first_lengths)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, int64 `[N]`."""
        return np.diff(self.starts)

    @functools.cached_property
    def example_of(self) -> np.ndarray:
        """The example of each sequence, ascending, integers `[N]`."""
        if self.group_splits is not None:
            sizes = np.diff(self.group_splits)
            return np.repeat(np.arange(len(sizes)), sizes)
        if self.sentences is not None:
            return self.sentences.documents
        if self.windows is None:
            return np.arange(len(self))
        return self.windows.examples

    @functools.cached_property
    def segment_ids(self) -> np.ndarray:
        """The segment of each token, int8 `[T]`."""
        if self.sentences is not None:
            return self.sentences.segment_ids.astype(np.int8)
        within = np.arange(self.starts[-1]) - np.repeat(self.starts[:-1], self.lengths)
        return (within >= np.repeat(self.first_lengths, self.lengths)).astype(np.int8)

    @functools.cached_property
    def cls_splits(self) -> np.ndarray:
        """Where each sequence's [CLS]s begin among all of them, int64 `[N + 1]`."""
        if self.sentences is not None:
            return self.sentences.sentence_splits
        return np.arange(len(self) + 1)

    @functools.cached_property
    def cls_positions(self) -> np.ndarray:
        """Each [CLS]'s place in its sequence, int32 `[C]`."""
        if self.sentences is not None:
            return self.sentences.cls_positions
        return np.zeros(len(self), np.int32)

    @property
    def num_cls(self) -> np.ndarray:
        """[CLS]s of each sequence, int64 `[N]`."""
        return np.diff(self.cls_splits)

    def with_targets(self, **targets: np.ndarray) -> Self:
        """Returns a copy with more targets."""
        return dataclasses.replace(self, targets={**self.targets, **targets})

    @classmethod
    def of_windows(cls, windows: Windows, contexts: Pieces) -> Self:
        """Makes a sequence of each window of long texts.

        Args:
            windows: with or without questions.
            contexts: the pieces of what they divide.
        """
        totals = np.diff(windows.row_splits)
        asked = windows.context_offsets > 1
        return cls(
            windows.input_ids,
            windows.row_splits,
            np.where(asked, windows.context_offsets, totals).astype(np.int32),
            windows=windows,
            contexts=contexts,
        )

    @classmethod
    def of_sentences(cls, windows: SentenceWindows) -> Self:
        """Makes a sequence of each window of documents."""
        return cls(
            windows.input_ids,
            windows.row_splits,
            np.diff(windows.row_splits).astype(np.int32),
            num_cut=windows.num_cut,
            sentences=windows,
        )

    def with_groups(self, sizes: Sequence[int]) -> Self:
        """Returns a copy whose examples are groups of so many sequences each."""
        splits = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        assert splits[-1] == len(self)
        return dataclasses.replace(self, group_splits=splits)


def join(
    segments: Sequence[Pieces],
    vocabulary: Vocabulary,
    max_seq_length: int,
) -> EncodedExamples:
    """Makes sequences of texts' pieces: `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`.

    Two segments that are too long together lose tokens from the end of the longer one
    until they fit, as `BertTokenizer.pack` does it.

    Args:
        segments: the pieces of N texts, or of two times N.
        vocabulary: whose ids these are.
        max_seq_length: most tokens of a sequence.
    """
    lengths = [segment.lengths for segment in segments]
    room = max_seq_length - 1 - len(segments)
    if len(segments) == 2:
        first, second = lengths
        # At a tie the second is cut, so an odd place goes to the first.
        first = np.minimum(first, np.maximum(room - second, room - room // 2))
        kept = [first, np.minimum(second, room - first)]
    else:
        kept = [np.minimum(lengths[0], room)]
    first_lengths = kept[0] + 2
    totals = first_lengths + (kept[1] + 1 if len(segments) == 2 else 0)
    starts = np.concatenate([[0], np.cumsum(totals)])
    input_ids = np.full(starts[-1], vocabulary.sep_id, np.int32)
    input_ids[starts[:-1]] = vocabulary.cls_id
    begin = starts[:-1] + 1
    for segment, length in zip(segments, kept, strict=True):
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        place = np.repeat(begin, length) + within
        input_ids[place] = segment.ids[
            np.repeat(segment.row_splits[:-1], length) + within
        ]
        begin = begin + length + 1
    cut = sum(k < n for k, n in zip(kept, lengths, strict=True)) > 0
    return EncodedExamples(
        input_ids, starts, first_lengths.astype(np.int32), num_cut=int(np.sum(cut))
    )
