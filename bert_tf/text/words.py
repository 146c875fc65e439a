"""Running text split into words as corpora of tagged sentences have them.

Words are divided by blanks. Punctuation at their ends stands alone, but for the period
of an abbreviation ("U.S.", "J."), and so does the English possessive. A CJK ideograph
is a word of its own, as it is for BERT.
"""

import re
import unicodedata
from collections.abc import Iterator

_RUN = re.compile(r"\S+")
_IDEOGRAPH = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f\U00030000-\U000323af]"
)
_POSSESSIVE = re.compile(r"(?<=\w)['’][sS]$")


def split_words(text: str) -> Iterator[tuple[int, int]]:
    """Yields the start and end of each word, in characters.

    Every character that is not a blank belongs to exactly one word.

    Args:
        text: any.
    """
    for run in _RUN.finditer(text):
        start, end = run.span()
        while start < end and _is_mark(text[start]):
            yield start, start + 1
            start += 1
        behind = []
        while start < end and _is_mark(text[end - 1]):
            if text[end - 1] == "." and _is_abbreviation(text[start : end - 1]):
                break
            end -= 1
            behind.append((end, end + 1))
        yield from _split_core(text, start, end)
        yield from reversed(behind)


def _split_core(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    possessive = _POSSESSIVE.search(text[start:end])
    stop = start + possessive.start() if possessive else end
    for ideograph in _IDEOGRAPH.finditer(text, start, stop):
        if start < ideograph.start():
            yield start, ideograph.start()
        yield ideograph.span()
        start = ideograph.end()
    if start < stop:
        yield start, stop
    if stop < end:
        yield stop, end


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _is_abbreviation(word: str) -> bool:
    return "." in word or (len(word) == 1 and word.isalpha())
