"""CoNLL files: a word a line with its tags in columns, a blank line a sentence."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.labelled.columns import ColumnNames
from bert_tf.labelled.examples import Place, TaggedSentence
from bert_tf.storage.lines import ReadReport, read_lines

_DOCUMENT_START = "-DOCSTART-"
# Not `str.split`, which also takes blanks that some corpora have inside of words.
_BLANKS = re.compile("[ \t]+")


def sentence(words: list[str], tags: list[str] | None, place: Place) -> TaggedSentence:
    """Returns words as a sentence whose text is the words joined by blanks."""
    spans = []
    start = 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return TaggedSentence(
        text=" ".join(words),
        spans=tuple(spans),
        tags=None if tags is None else tuple(tags),
        place=place,
    )


def read_conll(
    path: Path, columns: ColumnNames, report: ReadReport, with_targets: bool
) -> Iterator[TaggedSentence]:
    """Yields the sentences of a file, with tags as they are written there.

    Args:
        path: the file, compressed or not.
        columns: `words` and `tags` by number, from 1; first and last if not given.
        report: counts what is read.
        with_targets: whether tags are read.

    Raises:
        InputError: rows of different length, or a column that is not there.
    """
    width = 0
    width_line = 0
    lines = enumerate(read_lines(path, report, "error"), start=1)
    for blank, group in itertools.groupby(lines, lambda item: not item[1].strip()):
        if blank:
            continue
        rows = [(number, _divide(line)) for number, line in group]
        # Comments of CoNLL-U and the like; "#" may also be a word.
        while rows[0][1][0].startswith("#") and len(rows[0][1]) != len(rows[-1][1]):
            del rows[0]
        if rows[0][1][0] == _DOCUMENT_START:
            del rows[0]
        if not rows:
            continue
        if not width:
            width_line, width = rows[0][0], len(rows[0][1])
            word_column = _column(path, columns.words, "words", 1, width)
            tag_column = _column(path, columns.tags, "tags", width, width)
            if with_targets and word_column == tag_column:
                raise InputError(
                    f"{path}: line {width_line:,}: one column, so no tags. Expected a "
                    f"word and its tag. Received: {' '.join(rows[0][1])!r:.60}"
                )
        for number, row in rows:
            if len(row) != width:
                raise InputError(
                    f"{path}: line {number:,}: {len(row)} columns, where line "
                    f"{width_line:,} has {width}. Expected a word and its tags a line, "
                    f"a blank line after a sentence. Received: {' '.join(row)!r:.60}"
                )
        words = [row[word_column] for _, row in rows]
        tags = [row[tag_column] for _, row in rows] if with_targets else None
        yield sentence(words, tags, Place(str(path), rows[0][0]))


def _divide(line: str) -> list[str]:
    if "\t" in line:
        return [field.strip(" ") for field in line.rstrip("\t ").split("\t")]
    return _BLANKS.split(line.strip(" "))


def _column(path: Path, given: str, field: str, default: int, width: int) -> int:
    """Returns a column's index from 0."""
    number = int(given) if given.isdecimal() else 0 if given else default
    if not 1 <= number <= width:
        raise InputError(
            f"{path}: columns.{field} must be a number from 1 to {width} in a CoNLL "
            f"file of {width} columns. Received: {given!r}"
        )
    return number - 1
