"""Where pieces stand in the original text, in characters.

tf-text reports bytes of the text before normalization. Left to do are characters, and
two things that it cannot know: where a piece ends inside of what became of one
character (a Hangul syllable becomes two or three letters when accents are stripped),
and that characters which BERT drops are no part of the piece before them, unless they
are marks on its last letter.
"""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np

from bert_tf.text.normalization import normalize_character
from bert_tf.text.special_tokens import SUFFIX_INDICATOR
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary


def character_offsets(
    texts: Sequence[str],
    row_splits: np.ndarray,
    ids: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    vocabulary: Vocabulary,
) -> tuple[np.ndarray, np.ndarray]:
    """Turns tf-text's byte offsets into characters.

    Args:
        texts: what was tokenized.
        row_splits: int64 `[texts + 1]`.
        ids: int32 `[pieces]`.
        starts: integers `[pieces]`, bytes of the UTF-8 text.
        ends: integers `[pieces]`.
        vocabulary: of the ids.

    Returns:
        Start and end of each piece, int32 `[pieces]`. `text[start:end]` is what the
        piece was made of: it begins with the character that became the piece's first
        letter and ends with that of its last letter and the marks on it that were
        dropped. Pieces that share a character overlap in it.
    """
    encoded = [text.encode("utf-8") for text in texts]
    lengths = np.fromiter(map(len, encoded), np.int64, len(texts))
    first_byte = np.repeat(np.cumsum(lengths) - lengths, np.diff(row_splits))
    content = np.frombuffer(b"".join(encoded), np.uint8)
    # Characters that begin before each byte; those of a text end before the next.
    before = np.zeros(len(content) + 1, np.int64)
    np.cumsum((content & 0xC0) != 0x80, out=before[1:])
    first_character = before[first_byte]
    start_characters = (before[starts + first_byte] - first_character).astype(np.int32)
    end_characters = (before[ends + first_byte] - first_character).astype(np.int32)

    config = vocabulary.config
    for index, text in enumerate(texts):
        if any(_is_special(character, config) for character in set(text)):
            row = slice(row_splits[index], row_splits[index + 1])
            end_characters[row] = _exact_ends(
                text,
                ids[row].tolist(),
                start_characters[row].tolist(),
                end_characters[row].tolist(),
                vocabulary,
            )
    return start_characters, end_characters


@functools.cache
def _is_special(character: str, config: TokenizerConfig) -> bool:
    """Whether a character makes the bytes' ends inexact."""
    length = len(_normalized(character, config))
    return length > 1 or (not length and not _is_mark(character))


@functools.cache
def _normalized(character: str, config: TokenizerConfig) -> str:
    return normalize_character(character, config.do_lower_case, config.strips_accents)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


def _exact_ends(
    text: str,
    ids: list[int],
    starts: list[int],
    ends: list[int],
    vocabulary: Vocabulary,
) -> list[int]:
    """Returns the end of each piece of a text, its letters counted one by one."""
    config, unk_id = vocabulary.config, vocabulary.unk_id
    # Where each letter of the normalized text came from, and each character's first.
    sources: list[int] = []
    firsts: list[int] = []
    for index, character in enumerate(text):
        firsts.append(len(sources))
        sources += [index] * len(_normalized(character, config))
    exact = []
    letter = 0
    for piece, start, end in zip(ids, starts, ends, strict=True):
        if piece == unk_id:
            last = end - 1
            while last > start and not _normalized(text[last], config):
                last -= 1
            letter = firsts[last] + len(_normalized(text[last], config))
        else:
            entry = vocabulary.entries[piece].removeprefix(SUFFIX_INDICATOR)
            if letter >= len(sources) or sources[letter] != start:
                letter = firsts[start]
            letter += len(entry)
            last = sources[letter - 1]
        # Marks that were dropped are part of what they stand on.
        stop = last + 1
        for index in range(last + 1, len(text)):
            if _normalized(text[index], config):
                break
            if _is_mark(text[index]):
                stop = index + 1
        exact.append(stop)
    return exact
