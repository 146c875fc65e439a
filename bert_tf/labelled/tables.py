"""Records of tabular files: CSV, TSV, JSON, JSON Lines and Parquet."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError
from bert_tf.labelled.delimited import DelimitedFile
from bert_tf.labelled.examples import Place
from bert_tf.labelled.json_records import read_json_records
from bert_tf.storage.lines import ReadReport
from bert_tf.storage.parquet import open_parquet

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
