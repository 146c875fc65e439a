"""Records of tabular files: CSV, TSV, JSON, JSON Lines and Parquet."""

import codecs
import dataclasses
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError
from bert_tf.labelled.delimited import DelimitedFile
from bert_tf.labelled.examples import Place
from bert_tf.storage.lines import STDIN, ReadReport, open_decompressed, read_lines
from bert_tf.storage.parquet import open_parquet

_CHUNK_BYTES = 2**20
_MAX_RECORD_CHARACTERS = 2**26

Record = Mapping[str, Any]


@dataclasses.dataclass
class Table:
    """Records as they are read, in memory that does not depend on the file.

    Attributes:
        columns: of the header, or the keys of the first record.
        read: takes the columns that are wanted and yields each record, with at least
            these, and its place. It can be called once.
        note: how the file is read, in words.
    """

    columns: list[str]
    read: Callable[[Collection[str]], Iterator[tuple[Place, Record]]]
    note: str


def read_table(
    path: Path, table_format: str, report: ReadReport, quoting: str, header: bool
) -> Table:
    """Opens a file of records.

    Args:
        path: the file, compressed or not.
        table_format: `delimited`, `json` or `parquet`.
        report: counts what is read.
        quoting: of CSV and TSV; see `DelimitedFile`.
        header: whether the first line of CSV and TSV names the columns.

    Raises:
        InputError: the file holds nothing, or what it holds is of another format.
    """
    if table_format == "delimited":
        file = DelimitedFile(path, report, quoting, header)
        return Table(file.columns, lambda _: file.rows(), file.dialect.note())
    if table_format == "parquet":
        return _read_parquet(path, report)
    records = read_json_records(path, report)
    first = next(records, None)
    if first is None:
        raise InputError(f"{path}: empty. Expected JSON objects.")
    both = itertools.chain([first], records)
    return Table(list(first[1]), lambda _: both, "JSON records")


def read_json_records(
    path: Path, report: ReadReport
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yields the objects of JSON Lines, or of a file that is one array of objects.

    Raises:
        InputError: what is no JSON or no object, with its place.
    """
    records = _array_records(path, report) if _is_array(path) else _lines(path, report)
    for place, record in records:
        if not isinstance(record, dict):
            raise InputError(
                f"{place}: expected a JSON object with a field for each column. "
                f"Received: {record!r:.60}"
            )
        yield place, record


def holds_one_object(path: Path) -> bool:
    """Whether a JSON file is one object, not one a line, nor an array of them."""
    if path == STDIN or _is_array(path):
        return False
    lines = read_lines(path, ReadReport(), "skip")
    first = next((line for line in lines if line.strip()), "")
    try:
        return "data" in json.loads(first)
    except (ValueError, TypeError, RecursionError):
        return True


def _lines(path: Path, report: ReadReport) -> Iterator[tuple[Place, Any]]:
    for number, line in enumerate(read_lines(path, report, "error"), start=1):
        if not line or line.isspace():
            continue
        place = Place(str(path), number)
        try:
            yield place, json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"{place}: not JSON ({error}). Expected one object a line, or one "
                "array of objects."
            ) from error


def _is_array(path: Path) -> bool:
    if path == STDIN:
        return False
    with open_decompressed(path) as (stream, _):
        head = stream.read(64).removeprefix(codecs.BOM_UTF8).lstrip()
    # JSON Lines hold objects, so a line of a bracket alone begins an array.
    return head.startswith(b"[")


def _array_records(path: Path, report: ReadReport) -> Iterator[tuple[Place, Any]]:
    """Yields the elements of an array without holding it whole."""
    decoder, number, position = json.JSONDecoder(), 1, 0
    report.num_files += 1
    with open_decompressed(path) as (stream, raw):
        decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        text, end = "", False

        def place() -> Place:
            return Place(str(path), number, "record")

        def more() -> None:
            nonlocal text, end, position
            chunk = stream.read(_CHUNK_BYTES)
            try:
                text += decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{place()}, or the next: not UTF-8 (byte "
                    f"0x{error.object[error.start]:02x}). Convert the file."
                ) from error
            report.num_bytes += raw.tell() - position
            end, position = not chunk, raw.tell()

        def expect(characters: str) -> str:
            """Takes the next character that is no blank."""
            nonlocal text
            while not (text := text.lstrip(" \t\r\n")) and not end:
                more()
            found, text = text[:1], text[1:]
            if not found or found not in characters:
                raise InputError(
                    f"{place()}: not JSON: expected one of {characters!r}. Received: "
                    f"{found or 'the end of the file'!r}"
                )
            return found

        expect("[")
        first = True
        while True:
            while not (text := text.lstrip(" \t\r\n")) and not end:
                more()
            if first and text.startswith("]"):
                return
            first = False
            while True:
                try:
                    record, stop = decoder.raw_decode(text)
                    break
                except RecursionError as error:
                    raise InputError(f"{place()}: nested too deeply.") from error
                except json.JSONDecodeError as error:
                    # Perhaps the record goes on in the next chunk.
                    if end or len(text) > _MAX_RECORD_CHARACTERS:
                        raise InputError(f"{place()}: not JSON ({error}).") from error
                    more()
            text = text[stop:]
            yield place(), record
            number += 1
            if expect(",]") == "]":
                return


def _read_parquet(path: Path, report: ReadReport) -> Table:
    with open_parquet(path) as file:
        columns = list(file.schema_arrow.names)
        metadata = dict(file.schema_arrow.metadata or {})
    classes = _class_names(metadata.get(b"huggingface"))

    def read(wanted: Collection[str]) -> Iterator[tuple[Place, Record]]:
        report.num_files += 1
        with open_parquet(path) as file:
            row, num_rows = 0, max(file.metadata.num_rows, 1)
            size = path.stat().st_size
            for batch in file.iter_batches(batch_size=256, columns=list(wanted)):
                done = size * row // num_rows
                for record in batch.to_pylist():
                    row += 1
                    for column in classes.keys() & record.keys():
                        record[column] = _named(record[column], classes[column])
                    yield Place(str(path), row, "row"), record
                report.num_bytes += size * row // num_rows - done

    note = "Parquet"
    if classes:
        note += f" with the class names of {', '.join(classes)}"
    return Table(columns, read, note)


def _class_names(metadata: bytes | None) -> dict[str, list[str]]:
    """Reads the names of classes that Hugging Face's `datasets` leaves in a file.

    Source: huggingface/datasets, `features.py`, `ClassLabel` in the Arrow schema.
    """
    try:
        features = json.loads(metadata or b"{}").get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    classes = {}
    for column, feature in features.items():
        while isinstance(feature, dict) and "feature" in feature:
            feature = feature["feature"]
        if isinstance(feature, list) and feature:
            feature = feature[0]
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            classes[column] = feature["names"]
    return classes


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return value  # -1 stands for a label that is not known
