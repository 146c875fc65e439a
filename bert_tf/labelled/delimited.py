"""CSV and TSV, read strictly: what is ambiguous is an error that names its line."""

import csv
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Place
from bert_tf.storage.input_files import content_suffix
from bert_tf.storage.lines import MAX_LINE_BYTES, ReadReport, read_lines

QUOTINGS = ("auto", "standard", "none")
_TAB_SUFFIXES = (".tsv", ".tab")
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
# Lines from the beginning that decide about quotes.
_HEAD_LINES = 2000
# Orange, the data mining suite, writes types and roles into two lines of their own.
_ORANGE_TYPES = {"d", "c", "s", "t", "discrete", "continuous", "string", "time"}
_ORANGE_ROLES = {"", "class", "meta", "c", "m", "i", "ignore"}


@dataclasses.dataclass
class Dialect:
    """How a file is divided.

    Attributes:
        delimiter: between fields.
        quoted: whether `"` encloses fields; if not it is text.
    """

    delimiter: str
    quoted: bool

    def note(self) -> str:
        """Returns the dialect in words."""
        quotes = "quotes enclose fields" if self.quoted else "quotes are text"
        return f"fields divided by {_DELIMITERS[self.delimiter]}, {quotes}"


class DelimitedFile:
    """A CSV or TSV file, its dialect and its header.

    Attributes:
        dialect: found from the beginning of the file.
        columns: of the header; "1", "2" and so on without one.

    Args:
        path: the file.
        report: counts what is read.
        quoting: `standard`, where `"` encloses fields and `""` is one inside; `none`,
            where it is text; `auto` decides: standard, but for files of tabs in which
            quotes are unbalanced and rows whole without them.
        header: whether the first line names columns.

    Raises:
        InputError: the file is empty.
    """

    def __init__(
        self, path: Path, report: ReadReport, quoting: str = "auto", header: bool = True
    ) -> None:
        self._path = path
        self._lines = read_lines(path, report, "error")
        head = list(itertools.islice(self._lines, _HEAD_LINES))
        first = next((line for line in head if line.strip()), None)
        if first is None:
            raise InputError(f"{path}: empty. Expected a table with a header.")
        delimiter = _find_delimiter(path, first)
        quoted = quoting == "standard" or (
            quoting == "auto"
            and not (delimiter == "\t" and _quotes_are_text(head, first))
        )
        self.dialect = Dialect(delimiter, quoted)
        self._line = 0
        self._rows = self._parse(itertools.chain(head, self._lines))
        _, names = first_row = next(self._rows)
        if header:
            self.columns = [name.strip() for name in names]
            self._check_header()
            self._rows = self._without_orange_lines()
        else:
            self.columns = [str(number) for number in range(1, len(names) + 1)]
            self._rows = itertools.chain([first_row], self._rows)

    def rows(self) -> Iterator[tuple[Place, dict[str, str]]]:
        """Yields each row once, and where it begins.

        Raises:
            InputError: a row of another length than the header, or a quote that does
                not enclose a field; with the line.
        """
        for place, row in self._rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"{place}: {len(row)} fields, where the first line has "
                    f"{len(self.columns)}: {self.columns}. Enclose a field that holds "
                    f"{_DELIMITERS[self.dialect.delimiter]} in quotes. "
                    f"{self._quoting_hint()}Received: {_abbreviate(row)}"
                )
            yield place, dict(zip(self.columns, row, strict=True))

    def _parse(self, lines: Iterator[str]) -> Iterator[tuple[Place, list[str]]]:
        """Yields rows that are not blank."""
        reader = csv.reader(
            self._numbered(lines),
            delimiter=self.dialect.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.dialect.quoted else csv.QUOTE_NONE,
            strict=True,
        )
        while True:
            start = self._line + 1
            place = Place(str(self._path), start)
            # The limit is the module's, and other code may set it.
            limit = csv.field_size_limit(MAX_LINE_BYTES)
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(
                    f"{place}: a quote opens a field here that is not closed before "
                    f"a delimiter or the end of the line, up to line {self._line:,} "
                    f"({error}). Write a quote inside a quoted field twice. "
                    f"{self._quoting_hint()}".rstrip()
                ) from error
            finally:
                csv.field_size_limit(limit)
            if row and (len(row) > 1 or row[0].strip()):
                yield place, row

    def _numbered(self, lines: Iterator[str]) -> Iterator[str]:
        # The reader wants line ends: one may be inside a field.
        for line in lines:
            self._line += 1
            yield line + "\n"

    def _without_orange_lines(self) -> Iterator[tuple[Place, list[str]]]:
        rows = self._rows
        head = list(itertools.islice(rows, 2))
        if (
            len(head) == 2
            and {kind.lower() for kind in head[0][1]} <= _ORANGE_TYPES
            and {role.lower().partition("=")[0] for role in head[1][1]} <= _ORANGE_ROLES
        ):
            head = []
        return itertools.chain(head, rows)

    def _check_header(self) -> None:
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise InputError(
                    f"{self._path}: the first line names column {name!r} twice. "
                    f"Rename one. Received: {self.columns}"
                )

    def _quoting_hint(self) -> str:
        if not self.dialect.quoted:
            return ""
        return "quoting=none takes all quotes for text. "


def _find_delimiter(path: Path, first: str) -> str:
    usual = "\t" if content_suffix(path) in _TAB_SUFFIXES else ","
    if usual in first:
        return usual
    counts = {delimiter: first.count(delimiter) for delimiter in _DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] else usual


def _quotes_are_text(head: list[str], first: str) -> bool:
    """Whether lines are whole rows without quoting, and with it some are not."""
    num_tabs = first.count("\t")
    unbalanced = False
    for line in head:
        if line.strip() and line.count("\t") != num_tabs:
            return False
        for field in line.split("\t"):
            if field.startswith('"'):
                inner = field[1:-1].replace('""', "")
                closed = len(field) > 1 and field.endswith('"')
                unbalanced |= not closed or '"' in inner
    return unbalanced


def _abbreviate(row: list[str]) -> str:
    text = repr(row)
    return text if len(text) <= 200 else text[:200] + "..."
