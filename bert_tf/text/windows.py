"""Long texts as overlapping windows that fit a model."""

import dataclasses
from typing import NamedTuple, Self

import numpy as np

from bert_tf.errors import InputError
from bert_tf.text.pieces import Pieces
from bert_tf.text.vocabulary import Vocabulary


class SeenPieces(NamedTuple):
    """Every piece of every context once, in the window that shows most around it.

    Attributes:
        windows: int64 `[pieces]`.
        places: int64 `[pieces]`, among the window's tokens.
        pieces: int64 `[pieces]`, counted over all contexts.
    """

    windows: np.ndarray
    places: np.ndarray
    pieces: np.ndarray


@dataclasses.dataclass(frozen=True)
class Windows:
    """Parts of contexts, with [CLS], a question if there is one, and [SEP].

    The tokens of a window are `[CLS] question [SEP] part [SEP]`, or `[CLS] part [SEP]`.

    Attributes:
        examples: int32 `[windows]`, the example of each; those of one example lie
            together, in order.
        starts: int32 `[windows]`, the first piece of the context in each.
        lengths: int32 `[windows]`, how many pieces of the context each has.
        context_offsets: int32 `[windows]`, where these begin among the tokens.
        input_ids: int32 `[tokens]` of all windows.
        row_splits: int64 `[windows + 1]`, where each window's tokens begin.
    """

    examples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    context_offsets: np.ndarray
    input_ids: np.ndarray
    row_splits: np.ndarray

    def __len__(self) -> int:
        return len(self.examples)

    def of_example(self, example: int) -> range:
        """Returns the windows of an example."""
        first, last = np.searchsorted(self.examples, [example, example + 1])
        return range(int(first), int(last))

    def ids(self, window: int) -> np.ndarray:
        """Returns a window's tokens, int32."""
        return self.input_ids[self.row_splits[window] : self.row_splits[window + 1]]

    def segment_ids(self, window: int) -> np.ndarray:
        """Returns a window's segments, int32: 1 for the part behind a question."""
        num_tokens = int(self.row_splits[window + 1] - self.row_splits[window])
        offset = self.context_offsets[window]
        if offset == 1:  # No question: all is the first segment.
            return np.zeros(num_tokens, np.int32)
        return (np.arange(num_tokens) >= offset).astype(np.int32)

    def is_max_context(self, example: int) -> list[np.ndarray]:
        """Tells which pieces each window of an example sees best.

        A piece that lies in several windows is best seen where the shorter of its
        left and right contexts is longest. One window alone speaks for it.

        Returns:
            bool `[lengths[window]]` for each window.

        Source: google-research/bert, `run_squad.py`, `_check_is_max_context`.
        """
        windows = self.of_example(example)
        starts, lengths = self.starts[windows], self.lengths[windows]
        parts = list(map(slice, starts.tolist(), (starts + lengths).tolist()))
        num_pieces = max(part.stop for part in parts)
        best, owner = np.full(num_pieces, -1.0), np.zeros(num_pieces, np.int64)
        for row, part in enumerate(parts):
            length = part.stop - part.start
            left = np.arange(length)
            score = np.minimum(left, left[::-1]) + 0.01 * length
            better = score > best[part]
            best[part][better] = score[better]
            owner[part][better] = row
        return [owner[part] == row for row, part in enumerate(parts)]

    def best_seen(self, row_splits: np.ndarray) -> SeenPieces:
        """Returns where each piece is seen best, if each context has its own windows.

        Args:
            row_splits: int64 `[contexts + 1]`, of the contexts' pieces.
        """
        lengths = self.lengths.astype(np.int64)
        splits = np.concatenate([[0], np.cumsum(lengths)])
        windows = np.repeat(np.arange(len(self)), lengths)
        within = np.arange(splits[-1]) - splits[windows]
        best = np.ones(len(windows), bool)
        for example in np.flatnonzero(np.bincount(self.examples) > 1).tolist():
            rows = self.of_example(example)
            best[splits[rows.start] : splits[rows.stop]] = np.concatenate(
                self.is_max_context(example)
            )
        first = row_splits[self.examples] + self.starts
        return SeenPieces(
            windows[best],
            (self.context_offsets[windows] + within)[best],
            (first[windows] + within)[best],
        )

    @classmethod
    def build(
        cls,
        contexts: Pieces,
        vocabulary: Vocabulary,
        *,
        max_seq_length: int,
        doc_stride: int,
        questions: Pieces | None = None,
        context_of: np.ndarray | None = None,
        max_query_length: int = 64,
    ) -> Self:
        """Divides contexts into windows.

        Args:
            contexts: in pieces. One without any gives one window.
            vocabulary: for [CLS] and [SEP].
            max_seq_length: tokens of a window at most.
            doc_stride: pieces from the start of a window to that of the next.
            questions: one for each example, cut to `max_query_length` pieces.
            context_of: integers `[examples]`, the context of each question, since
                several may ask about one; the same number if None.
            max_query_length: pieces of a question at most.

        Raises:
            InputError: the windows would have no room, or leave gaps.

        Source: google-research/bert, `run_squad.py`, `convert_examples_to_features`.
        """
        taken = 2 if questions is None else max_query_length + 3
        if max_seq_length <= taken:
            raise InputError(
                f"`max_seq_length` must be more than {taken}: [CLS], [SEP] and "
                f"`max_query_length` leave no room. Received: {max_seq_length}"
            )
        if doc_stride < 1:
            raise InputError(f"`doc_stride` must be at least 1. Received: {doc_stride}")
        if questions is not None and len(questions) and context_of is None:
            context_of = np.arange(len(questions))
        if context_of is None:
            context_of = np.arange(len(contexts))
        head, tail = [vocabulary.cls_id], np.array([vocabulary.sep_id], np.int32)
        rows, tokens = [], []
        for example, number in enumerate(context_of.tolist()):
            context = contexts[number]
            prefix = np.array(head, np.int32)
            if questions is not None:
                question = questions[example][:max_query_length]
                prefix = np.concatenate([prefix, question, tail])
            room = max_seq_length - len(prefix) - 1
            for start, length in _parts(len(context), room, doc_stride):
                part = context[start : start + length]
                tokens.append(np.concatenate([prefix, part, tail]))
                rows.append((example, start, length, len(prefix)))
        examples, starts, lengths, offsets = np.array(rows, np.int32).reshape(-1, 4).T
        splits = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum([len(window) for window in tokens], out=splits[1:])
        input_ids = np.concatenate([*tokens, np.empty(0, np.int32)])
        return cls(examples, starts, lengths, offsets, input_ids, splits)


def _parts(num_pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Returns start and length of each part of a context."""
    parts = []
    start = 0
    while True:
        length = min(num_pieces - start, room)
        parts.append((start, length))
        if start + length >= num_pieces:
            return parts
        start += min(length, stride)
