"""Files of labelled data as examples of one kind, as a stream or whole."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from bert_tf.errors import InputError
from bert_tf.labelled.columns import ColumnFinder, ColumnNames
from bert_tf.labelled.examples import Place
from bert_tf.labelled.json_records import holds_one_object
from bert_tf.labelled.kinds import E, Kind
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.tables import read_table
from bert_tf.storage.input_files import InputFile, content_suffix
from bert_tf.storage.lines import ReadReport, read_lines

SUFFIX_FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "delimited"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2", ".bioes"), "conll"),
    ".parquet": "parquet",
}
"""Formats by the ending of a file's name."""
_BAR_DELAY_SECONDS = 3
_EMPTY = "examples with an empty text"


def read_examples(
    kind: Kind[E],
    files: Iterable[InputFile],
    options: ReadOptions,
    report: LabelledReport,
    with_targets: bool = True,
) -> Iterator[E]:
    """Yields the examples of files, in memory that does not depend on their size.

    Only SQuAD's JSON, one object, is read whole.

    Args:
        kind: of example.
        files: to read, in order.
        options: how to read them.
        report: counts what is read and left out.
        with_targets: whether labels are read. If so, an example with an empty text is
            left out; if not, every line or record is an example, so that predictions
            stand beside what they are of.

    Raises:
        InputError: input that cannot be read, with file and place.
    """
    options.validate()
    for file in files:
        for example in _read_file(kind, file.path, options, report, with_targets):
            if with_targets and example.is_empty:
                report.skip(str(example.place), _EMPTY)
                continue
            report.num_examples += 1
            yield example


def load_examples(
    kind: Kind[E],
    files: Iterable[InputFile],
    options: ReadOptions,
    report: LabelledReport,
) -> list[E]:
    """Returns the examples of files with their targets, checked together.

    Raises:
        InputError: see `read_examples`; no example at all; or examples that do not fit
            each other.
    """
    files = list(files)
    examples = []
    bar = tqdm(
        desc="read",
        total=sum(file.num_bytes for file in files),
        unit="B",
        unit_scale=True,
        delay=_BAR_DELAY_SECONDS,
        file=sys.stderr,
    )
    before = report.num_bytes  # Of files read earlier.
    with bar:
        for example in read_examples(kind, files, options, report):
            examples.append(example)
            if report.num_bytes - before != bar.n:
                bar.update(report.num_bytes - before - bar.n)
    if not examples:
        names = ", ".join(str(file.path) for file in files)
        left_out = "; ".join(report.lines()[1:]) or "empty"
        raise InputError(f"No example in {names}: {left_out}.")
    return kind.finish(examples, options, report) if kind.finish else examples


def _read_file(
    kind: Kind[E],
    path: Path,
    options: ReadOptions,
    report: LabelledReport,
    with_targets: bool,
) -> Iterator[E]:
    columns = options.columns
    file_format = _file_format(kind, path, options, with_targets)
    if file_format == "lines":
        assert kind.from_line
        for number, line in enumerate(read_lines(path, report, "error"), start=1):
            yield kind.from_line(line, Place(str(path), number), options.language)
    elif file_format in kind.formats:
        yield from kind.formats[file_format](path, columns, report, with_targets)
    else:
        header = not columns.numbers
        table = read_table(path, file_format, report, options.quoting, header)
        finder = ColumnFinder(str(path), table.columns, columns)
        build = kind.from_records(finder, with_targets, report, options.language)
        report.notes[f"{path}: {table.note}; {finder.note()}"] = None
        wanted = {name for names in finder.found.values() for name in names}
        for place, record in table.read(wanted):
            example = build(record, place)
            if example is not None:
                yield example


def _is_conll(path: Path, columns: ColumnNames) -> bool:
    """Whether a file of tabs has a word a line, not a sentence, and no header."""
    named = [name for name in (columns.words, columns.tags) if not name.isdecimal()]
    if columns.text or any(named):
        return False
    lines = read_lines(path, ReadReport(), "skip")
    first = next((line for line in lines if line.strip()), "")
    names = {name.strip('" ').lower() for name in first.split("\t")}
    return "\t" in first and not names & {"words", "tokens", "text", "sentence"}


def _file_format(
    kind: Kind[E], path: Path, options: ReadOptions, with_targets: bool
) -> str:
    found = options.input_format
    ending = SUFFIX_FORMATS.get(content_suffix(path), "")
    # Files to predict on need not be of the format that training was told.
    if found == "auto" or (ending and not with_targets):
        found = ending
        if not found:
            found = "lines" if kind.from_line and not with_targets else kind.plain
        if found == "json" and "squad" in kind.formats and holds_one_object(path):
            found = "squad"
        if (
            found == "delimited"
            and "conll" in kind.formats
            and _is_conll(path, options.columns)
        ):
            found = "conll"
    usable = {"delimited", "json", "parquet", *kind.formats}
    if kind.from_line and (not with_targets or kind.plain == "lines"):
        usable.add("lines")
    if found not in usable:
        what = "with targets" if with_targets else "to predict on"
        raise InputError(
            f"{path}: {kind.name} {what} reads the formats {sorted(usable)}; the "
            f"file's ending, or input_format, says which. Received: {found or 'auto'!r}"
        )
    return found
