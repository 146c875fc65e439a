"""Labelled examples as ids: what a model reads of them, in one flat array each.

An example is one sequence, `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, or a window of
one. Nothing is padded here; batches are made when they are read.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from bert_tf.text.pieces import Pieces
from bert_tf.text.vocabulary import Vocabulary

# Of a target that counts for nothing: a piece that no label is meant for.
IGNORED = -1


@dataclasses.dataclass(frozen=True)
class EncodedExamples:
    """Examples as ids, and what is to be learned of them. N: examples, T: tokens.

    Attributes:
        input_ids: int32 `[T]`, of all examples, one after the other.
        starts: int64 `[N + 1]`, where each example starts in `input_ids`; T at the end.
        first_lengths: int32 `[N]`, tokens of `[CLS] A [SEP]`; segment 1 follows.
        targets: name -> `[N, ...]`.
        token_targets: name -> `[T]`, `IGNORED` where there is none.
        num_cut: examples that were longer than allowed and lost tokens.
    """

    input_ids: np.ndarray
    starts: np.ndarray
    first_lengths: np.ndarray
    targets: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    token_targets: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    num_cut: int = 0

    def __len__(self) -> int:
        return len(self.first_lengths)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, int64 `[N]`."""
        return np.diff(self.starts)

    def with_targets(self, **targets: np.ndarray) -> Self:
        """Returns a copy with other targets."""
        return dataclasses.replace(self, targets=targets)


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
