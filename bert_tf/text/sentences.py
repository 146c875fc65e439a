"""Running text split into sentences.

sentencex (Wikimedia, MIT) does it: of the libraries measured in `benchmarks/LOG.md`
the fastest by far, as right as the others, and at home in some 300 languages.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import sentencex

# The splitter's time grows with the square of the quotation marks that are never
# closed, so it sees no more than this at once.
_MAX_CHARACTERS = 1 << 15

# Where sentencex ends a sentence and no sentence ends: the commas of Burmese,
# Javanese, Balinese and the Philippine scripts, and the Burmese genitive.
_INNER_MARKS = ("\u104a", "\ua9c8", "\u1b5e", "\u1735", "\u104f")
# Ends of sentences that it does not know: Tibetan shads, also several with spaces
# between them; Khmer khan and bariyoosan; the Ethiopic full stop typed as two word
# spaces or two colons. Khmer's "and so on" is written with two khans and ends nothing.
_ENDS = re.compile(
    r"\u17d4\s*\u179b\s*\u17d4"
    r"|(?P<end>(?:[\u0f0d-\u0f11\u0f14](?:\s*[\u0f0d-\u0f11\u0f14])*"
    r"|[\u17d4\u17d5\u17da]+"
    r"|\u1361\s*\u1361|(?<=[\u1200-\u135a])::)"
    r"[\"'\u00bb\u2019\u201d)\]]*\s*)"
)
_LETTER = re.compile(r"\w")
# Where one of these blanks takes several bytes, as a no-break space does, sentencex
# 1.0.32 ends in a panic: "vitamin C\u00a0."
_BEHIND_INITIAL = re.compile(r"(?<=[A-Z])\s+(?=\.)")


def split_text(text: str, language: str) -> Iterator[str]:
    """Yields the sentences of a text; no sentence runs over a line's end.

    Args:
        text: lines are paragraphs.
        language: ISO 639 code; an unknown one is read as English.
    """
    for paragraph in text.splitlines():
        yield from _split_paragraph(paragraph, language)


def find_sentences(text: str, language: str) -> list[tuple[int, int]]:
    """Returns where the sentences of `split_text` start and end, in characters."""
    spans, end = [], 0
    for sentence in split_text(text, language):
        # Only blanks lie between sentences, so this is its own place.
        start = text.index(sentence, end)
        end = start + len(sentence)
        spans.append((start, end))
    return spans


def split_lines(lines: Iterable[str], language: str) -> Iterator[str]:
    """Yields the sentences of lines whose paragraphs end at blank lines.

    Args:
        lines: text, wrapped or not.
        language: ISO 639 code; an unknown one is read as English.
    """
    paragraph: list[str] = []
    length = 0
    for line in lines:
        line = line.strip()
        if line:
            paragraph.append(line)
            length += len(line)
        if paragraph and (not line or length > _MAX_CHARACTERS):
            *whole, last = _split_paragraph(" ".join(paragraph), language)
            yield from whole
            # A paragraph cut for its length goes on with its last sentence.
            if line and whole:
                paragraph, length = [last], len(last)
            else:
                yield last
                paragraph, length = [], 0
    if paragraph:
        yield from _split_paragraph(" ".join(paragraph), language)


def _split_paragraph(paragraph: str, language: str) -> Iterator[str]:
    start = 0
    while start < len(paragraph):
        window = paragraph[start : start + _MAX_CHARACTERS]
        sentences = _split_at_marks(_segment(window, language))
        if start + len(window) < len(paragraph):
            # The last sentence may go on behind the window.
            sentences = sentences[:-1] or [window[: window.rfind(" ") + 1] or window]
        start += sum(map(len, sentences))
        yield from filter(None, map(str.strip, sentences))


def _segment(text: str, language: str) -> list[str]:
    """Returns what sentencex finds; joined, it is the text."""
    readable = _BEHIND_INITIAL.sub(lambda found: " " * len(found[0]), text)
    lengths = map(len, sentencex.segment(language, readable))
    edges = itertools.pairwise(itertools.accumulate(lengths, initial=0))
    return [text[start:end] for start, end in edges]


def _split_at_marks(sentences: Sequence[str]) -> list[str]:
    """Mends what sentencex splits too often or too rarely; keeps every character."""
    whole: list[str] = []
    for sentence in sentences:
        if whole and whole[-1].rstrip().endswith(_INNER_MARKS):
            whole[-1] += sentence
        else:
            whole.append(sentence)
    parts: list[str] = []
    for sentence in whole:
        start = 0
        for match in _ENDS.finditer(sentence):
            # Marks without a letter before them, as at the head of a Tibetan text,
            # belong to what follows.
            if match["end"] and _LETTER.search(sentence, start, match.start()):
                parts.append(sentence[start : match.end()])
                start = match.end()
        parts.append(sentence[start:])
    return [part for part in parts if part]
