"""Predictions as files, row by row: JSON Lines, CSV, Parquet, NumPy's vectors."""

import contextlib
import csv
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

import numpy as np

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Example
from bert_tf.storage import files
from bert_tf.storage.parquet import import_pyarrow, open_parquet

# Bytes of it, a multiple of 64: room for any number of rows.
_NPY_HEADER = 128
_PARQUET_ROWS = 4096
_JSON_LINES = (".jsonl", ".ndjson", ".json")


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

    A row may have a field that none had before, as a second text: the table is written
    at the end, when all columns are known.

    Args:
        file: to write into.
        rows: what holds the rows until then.
    """

    def __init__(self, file: TextIO, rows: TextIO):
        self._file = file
        self._rows = rows
        self._columns: dict[str, None] = {}

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        self._columns |= dict.fromkeys(row)
        self._rows.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Writes the table; none without rows."""
        if not self._columns:
            return
        writer = csv.DictWriter(self._file, list(self._columns))
        writer.writeheader()
        self._rows.seek(0)
        for line in self._rows:
            flat = {
                name: json.dumps(value, ensure_ascii=False)
                if isinstance(value, list | dict)
                else value
                for name, value in json.loads(line).items()
            }
            writer.writerow(flat)


class NpyWriter:
    """Writes the vectors alone, as NumPy's `float32 [rows, hidden]`.

    Args:
        file: to write into, opened in binary.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._shape = (0, 0)
        file.write(bytes(_NPY_HEADER))  # The number of rows is known at the end.

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Raises:
            InputError: it is no text's vector.
        """
        if "embedding" not in row or "embedding_pair" in row:
            raise InputError(
                "A .npy file holds a vector a text, from a model for embeddings; other "
                "predictions are written as .jsonl. Received: "
                f"{', '.join(row)}"
            )
        vector = np.asarray(row["embedding"], "<f4")
        self._file.write(vector.tobytes())
        self._shape = self._shape[0] + 1, len(vector)

    def close(self) -> None:
        """Writes how many rows there are."""
        values = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        text = repr(values).encode("ascii")
        length = _NPY_HEADER - 10
        self._file.seek(0)
        # Source: the NPY format, version 1.0, numpy.lib.format.
        self._file.write(b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little"))
        self._file.write(text.ljust(length - 1) + b"\n")


class ParquetWriter:
    """Writes a table, some thousand rows at a time.

    What rows so far leave open, as the type of labels that no text had, later ones say;
    what was written is then written anew.

    Args:
        path: to write to.
        name: what to call it in messages.
    """

    def __init__(self, path: Path, name: str):
        self._pyarrow = import_pyarrow(name)
        self._path = path
        self._rows: list[Mapping[str, Any]] = []
        self._writer: Any = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        self._rows.append(row)
        if len(self._rows) == _PARQUET_ROWS:
            self._flush()

    def close(self) -> None:
        """Writes the last rows, and what makes the file whole."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        # The first row's fields are taken for all: it gets what only others have.
        for row in self._rows[1:]:
            self._rows[0] = {**dict.fromkeys(row), **self._rows[0]}
        schema = self._pyarrow.Table.from_pylist(self._rows).schema
        if self._writer is None:
            self._open(schema)
        else:
            before = self._writer.schema
            schema = self._pyarrow.unify_schemas(
                [before, schema], promote_options="permissive"
            )
            if schema != before:
                self._write_anew(schema)
        self._write(self._rows)
        self._rows = []

    def _open(self, schema: Any) -> None:
        self._writer = self._pyarrow.parquet.ParquetWriter(self._path, schema)

    def _write(self, rows: list[Mapping[str, Any]]) -> None:
        schema = self._writer.schema
        table = self._pyarrow.Table.from_pylist(rows, schema=schema)
        self._writer.write_table(table)

    def _write_anew(self, schema: Any) -> None:
        self._writer.close()
        before = self._path.rename(self._path.with_suffix(".before"))
        self._open(schema)
        with open_parquet(before) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                self._write(batch.to_pylist())
        before.unlink()


def check_name(name: str) -> None:
    """Checks that a file's ending is one that can be written.

    Raises:
        InputError: none writes such files.
    """
    if name != "-" and not name.endswith((*_JSON_LINES, ".csv", ".npy", ".parquet")):
        raise InputError(
            f"{name}: predictions are written as .jsonl, .csv, .parquet or, vectors "
            "alone, .npy; the file's ending says which."
        )


@contextlib.contextmanager
def open_writer(path: Path, name: str) -> Iterator[RowWriter]:
    """Opens a file for predictions; it is whole when the block ends.

    Args:
        path: where it is written.
        name: what it will be called, whose ending says the format; see `check_name`.
    """
    if name.endswith(".npy"):
        with path.open("wb") as file:
            npy = NpyWriter(file)
            yield npy
            npy.close()
    elif name.endswith(".parquet"):
        parquet = ParquetWriter(path, name)
        yield parquet
        parquet.close()
    elif name.endswith(".csv"):
        with (
            path.open("w", encoding="utf-8", newline="") as text,
            tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as rows,
        ):
            table = CsvWriter(text, rows)
            yield table
            table.close()
    else:
        with path.open("w", encoding="utf-8", newline="") as text:
            yield JsonLinesWriter(text)


@contextlib.contextmanager
def open_output(name: str) -> Iterator[RowWriter]:
    """Opens a job's output, a file that appears whole when the block ends.

    Args:
        name: of the file, whose ending says the format; "-" for standard output.

    Raises:
        InputError: see `check_name`.
    """
    check_name(name)
    if name == "-":
        yield JsonLinesWriter(sys.stdout)
        return
    with files.atomic_file(name) as temporary, open_writer(temporary, name) as writer:
        yield writer


def inputs_of(example: Example) -> dict[str, Any]:
    """Returns an example's inputs in plain values, without its targets and place."""
    values = dataclasses.asdict(example)
    targets = ("label", "labels", "value", "tags", "answers", "summary", "target")
    for name in ("place", *targets):
        values.pop(name, None)
    return {name: value for name, value in values.items() if value is not None}
