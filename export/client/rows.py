"""What to ask: rows of inputs, from text, tables and JSON Lines."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError

Row = dict[str, Any]
"""Input -> value; bytes as `{"b64": ...}`, as TF Serving's REST API has them."""

FORMATS = ("text", "jsonl", "csv", "tsv")
_SUFFIXES = {".txt": "text", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv"}


def read(path: str, format: str | None = None, text_input: str = "text") -> list[Row]:
    """Reads rows from a file.

    Args:
        path: the file; "-" is standard input.
        format: one of `FORMATS`; None for what the file's name says, text where it
            says nothing.
        text_input: the input that a line of text is given to.

    Raises:
        InputError: a file that is not UTF-8, or a row that is not of the format.
    """
    if format is None:
        format = _SUFFIXES.get(Path(path).suffix.lower(), "text")
    name = "standard input" if path == "-" else path
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}: line {line:,}: not UTF-8 ({error}).") from None
    if format == "text":
        # `splitlines` would also part texts at characters that they may hold.
        lines = io.StringIO(text, newline=None)
        rows = [{text_input: line.rstrip("\n")} for line in lines if line.strip()]
    elif format == "jsonl":
        rows = list(_json_rows(text, name, text_input))
    else:
        rows = list(_table_rows(text, name, "," if format == "csv" else "\t"))
    if not rows:
        raise InputError(f"{name}: nothing to ask in it.")
    return rows


def _json_rows(text: str, name: str, text_input: str) -> Iterator[Row]:
    # `splitlines` would also part JSON at characters that strings may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}: line {number:,}: not JSON ({error}).") from None
        if isinstance(value, str):
            value = {text_input: value}
        if not isinstance(value, dict) or not value:
            raise InputError(
                f"{name}: line {number:,}: expected an object of inputs, as "
                f'{{"text": "..."}}, or a string. Received: {line:.60}'
            )
        yield value


def _table_rows(text: str, name: str, delimiter: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{name}: line {reader.line_num:,}: expected "
                    f"{len(reader.fieldnames or ())} columns, the inputs that the "
                    "first line names."
                )
            yield dict(row)
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num:,}: {error}.") from None
