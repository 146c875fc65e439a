"""Corpora of several formats, read as a stream of documents.

Formats:
    sentences: one sentence a line, a blank line between documents; BERT's own.
    prose: running text, a file a document, a blank line between paragraphs.
    jsonl: a JSON object a line, its text in one field; a line is a document.
    parquet: a row is a document, its text in one column.

Text files may be compressed (.gz, .bz2, .xz, .zst). A document always ends with its
file. Memory does not depend on the size of a file.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from bert_tf.errors import InputError, check
from bert_tf.storage.input_files import InputFile, content_suffix
from bert_tf.storage.lines import read_lines
from bert_tf.text import sentences
from data_prep.input_report import InputReport
from data_prep.text_fields import TextFields

Document = list[str]
"""The sentences of a document, in order, none blank."""

FORMATS = ("auto", "sentences", "prose", "jsonl", "parquet")
_SUFFIX_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}

MAX_DOCUMENT_SENTENCES = 50_000


@dataclasses.dataclass(frozen=True)
class CorpusOptions:
    """How files become documents.

    Attributes:
        input_format: one of `FORMATS`; `auto` goes by the file's ending and takes
            any other than .jsonl, .ndjson, .json and .parquet for `sentences`.
        text_field: the field or column that holds the text.
        language: ISO 639 code that guides the splitting of prose into sentences.
        bad_input: `error` stops at what cannot be read as text; `skip` leaves the
            line or record out and counts it.
    """

    input_format: str = "auto"
    text_field: str = "text"
    language: str = "en"
    bad_input: str = "error"

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name, allowed in (
            ("input_format", FORMATS),
            ("bad_input", ("error", "skip")),
        ):
            check(self, name, getattr(self, name) in allowed, f"one of {allowed}")
        return self


def read_documents(
    files: Iterable[InputFile],
    options: CorpusOptions,
    report: InputReport,
) -> Iterator[Document]:
    """Yields the documents of a corpus, file by file.

    Args:
        files: from `find_input_files`.
        options: how to read them.
        report: counts what was read and what was left out.

    Raises:
        InputError: input that cannot be read, with file and place; or files that
            hold no document at all.
    """
    options.validate()
    before = report.num_documents
    for file in files:
        yield from read_file(file, options, report)
    if report.num_documents == before:
        skipped = "; ".join(report.lines()[1:]) or "they are empty"
        names = ", ".join(str(file.path) for file in files)
        raise InputError(f"No document in {names}: {skipped}.")


def read_file(
    file: InputFile, options: CorpusOptions, report: InputReport
) -> Iterator[Document]:
    """Yields the documents of one file, perhaps none; as `read_documents` otherwise."""
    for document in _read_file(file, options, report):
        if not document:
            report.num_empty_documents += 1
            continue
        report.num_documents += 1
        report.num_sentences += len(document)
        yield document


def file_format(path: Path, options: CorpusOptions) -> str:
    """Returns the format that a file is read as."""
    if options.input_format != "auto":
        return options.input_format
    return _SUFFIX_FORMATS.get(content_suffix(path), "sentences")


def _read_file(
    file: InputFile, options: CorpusOptions, report: InputReport
) -> Iterator[Document]:
    kind = file_format(file.path, options)
    if kind in ("jsonl", "parquet"):
        fields = TextFields(options.text_field, options.bad_input, report)
        read = fields.from_json if kind == "jsonl" else fields.from_parquet
        return (
            list(sentences.split_text(text, options.language))
            for text in read(file.path)
        )
    lines = read_lines(file.path, report, options.bad_input)
    if kind == "prose":
        return _in_parts(sentences.split_lines(lines, options.language), report)
    return _blank_line_documents(lines, report)


def _blank_line_documents(
    lines: Iterable[str], report: InputReport
) -> Iterator[Document]:
    for has_text, run in itertools.groupby(map(str.strip, lines), key=bool):
        if has_text:
            yield from _in_parts(run, report)


def _in_parts(parts: Iterable[str], report: InputReport) -> Iterator[Document]:
    """One document, in parts if it is very long."""
    document: Document = []
    split = False
    for sentence in parts:
        if len(document) == MAX_DOCUMENT_SENTENCES:
            report.num_split_documents += not split
            split = True
            yield document
            document = []
        document.append(sentence)
    yield document
