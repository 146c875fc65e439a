"""Words and pieces, and entities found back in the text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

IGNORED = -1
NO_WORD = -1


class Entity(NamedTuple):
    """An entity in a text.

    Attributes:
        type: `PER`, for instance.
        start: its first character; its text is `text[start:end]`.
        end: the character behind its last.
    """

    type: str
    start: int
    end: int


def words_of_pieces(
    spans: Sequence[tuple[int, int]], starts: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Returns the word of each piece.

    Args:
        spans: start and end of each word, in characters, in order, without overlap.
        starts: integers `[pieces]`, in characters of the same text.
        ends: integers `[pieces]`.

    Returns:
        int32 `[pieces]`, the index of the first word that the piece shares a character
        with; `NO_WORD` if none.
    """
    if not len(spans):
        return np.full(len(starts), NO_WORD, np.int32)
    word_starts, word_ends = np.array(spans, np.int64).T
    word = np.searchsorted(word_ends, starts, side="right")
    inside = np.minimum(word, len(spans) - 1)
    shares = (word < len(spans)) & (word_starts[inside] < ends)
    return np.where(shares, inside, NO_WORD).astype(np.int32)


def first_pieces(words: np.ndarray, num_words: int) -> np.ndarray:
    """Returns the first piece of each word, int64 `[num_words]`; -1 if it has none.

    Args:
        words: integers `[pieces]`, the word of each piece, from `words_of_pieces`.
        num_words: words of the text.
    """
    first = np.full(num_words, -1)
    pieces = np.flatnonzero(words != NO_WORD)[::-1]
    first[words[pieces]] = pieces
    return first


def label_pieces(
    words: np.ndarray, label_ids: np.ndarray, *, all_pieces: bool = False
) -> np.ndarray:
    """Returns the label of each piece.

    Args:
        words: integers `[pieces]`, the word of each piece.
        label_ids: integers `[words]`.
        all_pieces: whether all pieces of a word have its label, not the first alone.

    Returns:
        int32 `[pieces]`; `IGNORED` for pieces that count for nothing.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 5.3, for the first piece.
    """
    labels = np.full(len(words), IGNORED, np.int32)
    if all_pieces:
        chosen = np.flatnonzero(words != NO_WORD)
        labels[chosen] = label_ids[words[chosen]]
    else:
        first = first_pieces(words, len(label_ids))
        labels[first[first >= 0]] = label_ids[first >= 0]
    return labels


def find_entities(
    tags: Sequence[str], spans: Sequence[tuple[int, int]]
) -> Iterator[Entity]:
    """Yields the entities that the tags of a text's words mark.

    An I- that goes on with nothing begins an entity, as in CoNLL's own scorer.

    Args:
        tags: of each word, in IOB2; those of no entity are `O`.
        spans: start and end of each word, in characters.
    """
    current: Entity | None = None
    for tag, (start, end) in zip(tags, spans, strict=True):
        prefix, _, kind = tag.partition("-")
        if prefix == "I" and current and current.type == kind:
            current = current._replace(end=end)
            continue
        if current:
            yield current
        current = Entity(kind, start, end) if prefix in ("B", "I") else None
    if current:
        yield current
