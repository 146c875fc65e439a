"""Running text split into sentences.

sentencex (Wikimedia, MIT) does it: of the libraries measured in `benchmarks/LOG.md`
the fastest by far, as right as the others, and at home in some 300 languages.
"""

from collections.abc import Iterable, Iterator

import sentencex

# The splitter's time grows with the square of the quotation marks that are never
# closed, so it sees no more than this at once.
_MAX_CHARACTERS = 1 << 15


def split_text(text: str, language: str) -> Iterator[str]:
    """Yields the sentences of a text; no sentence runs over a line's end.

    Args:
        text: lines are paragraphs.
        language: ISO 639 code; an unknown one is read as English.
    """
    for paragraph in text.splitlines():
        yield from _split_paragraph(paragraph, language)


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
        sentences = sentencex.segment(language, window)
        if start + len(window) < len(paragraph):
            # The last sentence may go on behind the window.
            sentences = sentences[:-1] or [window[: window.rfind(" ") + 1] or window]
        start += sum(map(len, sentences))
        yield from filter(None, map(str.strip, sentences))
