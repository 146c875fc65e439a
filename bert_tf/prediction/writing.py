"""Predictions as files: JSON Lines or CSV, row by row."""

import csv
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Example


class RowWriter(Protocol):
    """Writes predictions one by one."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        ...


class JsonLinesWriter:
    """Writes an object a line.

    Args:
        file: to write into.
    """

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


class CsvWriter:
    """Writes a row a line under a header; what is not a value becomes JSON.

    Args:
        file: to write into.
    """

    def __init__(self, file: TextIO):
        self._file = file
        self._writer: Any = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row; the first one decides the columns."""
        flat = {
            name: json.dumps(value, ensure_ascii=False)
            if isinstance(value, list | dict | tuple)
            else value
            for name, value in row.items()
        }
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(flat))
            self._writer.writeheader()
        self._writer.writerow(flat)


def row_writer(file: TextIO, name: str) -> RowWriter:
    """Returns the writer of a file's ending.

    Raises:
        InputError: none writes such files.
    """
    if name.endswith(".csv"):
        return CsvWriter(file)
    if name == "-" or name.endswith((".jsonl", ".ndjson", ".json")):
        return JsonLinesWriter(file)
    raise InputError(
        f"{name}: predictions are written as .jsonl or .csv; the file's ending says "
        "which."
    )


def inputs_of(example: Example) -> dict[str, Any]:
    """Returns an example's inputs in plain values, without its targets and place."""
    values = dataclasses.asdict(example)
    for name in ("place", "label", "labels", "value", "tags", "answers", "summary"):
        values.pop(name, None)
    return {name: value for name, value in values.items() if value is not None}
