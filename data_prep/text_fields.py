"""Texts from a field of structured files: JSON Lines and Parquet."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from bert_tf.errors import InputError
from bert_tf.storage.lines import read_lines
from bert_tf.storage.parquet import open_parquet
from data_prep.input_report import InputReport


@dataclasses.dataclass(frozen=True)
class TextFields:
    """Reads one field of every record.

    Attributes:
        text_field: the field or column that holds the text.
        bad_input: `error` or `skip`, see `CorpusOptions`.
        report: counts what was read and what was left out.
    """

    text_field: str
    bad_input: str
    report: InputReport

    def from_json(self, path: Path) -> Iterator[str]:
        """Yields the texts of a file with a JSON object a line.

        Raises:
            InputError: what cannot be read, with file and line.
        """
        lines = read_lines(path, self.report, self.bad_input)
        for number, line in enumerate(lines, start=1):
            if not line or line.isspace():
                continue
            place = f"{path}: line {number:,}"
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:  # Or a number too long.
                self.report.reject(
                    place,
                    "not JSON",
                    f" ({error}). Expected one JSON object a line.",
                    self.bad_input,
                )
                continue
            text = record.get(self.text_field) if isinstance(record, dict) else None
            if self._is_text(text, place, record):
                yield text

    def from_parquet(self, path: Path) -> Iterator[str]:
        """Yields the texts of a Parquet file's rows.

        Raises:
            InputError: what cannot be read, with file and row.
        """
        with open_parquet(path) as table:
            self.report.num_files += 1
            names = table.schema_arrow.names
            if self.text_field not in names:
                raise InputError(
                    f"{path}: no column {self.text_field!r}. text_field names the "
                    f"column. Received: {names}"
                )
            num_bytes = path.stat().st_size
            row, num_rows = 0, max(table.metadata.num_rows, 1)
            columns = [self.text_field]
            for batch in table.iter_batches(batch_size=256, columns=columns):
                done = num_bytes * row // num_rows
                for text in batch.column(0).to_pylist():
                    row += 1
                    place = f"{path}: row {row:,}"
                    if self._is_text(text, place, {self.text_field}):
                        yield text
                self.report.num_bytes += num_bytes * row // num_rows - done

    def _is_text(self, text: object, place: str, record: object) -> TypeGuard[str]:
        if not isinstance(text, str):
            fields = (
                sorted(record) if isinstance(record, dict) else type(record).__name__
            )
            self.report.reject(
                place,
                f"no text in field {self.text_field!r}",
                f" (received: {fields}). text_field names the field.",
                self.bad_input,
            )
            return False
        # JSON can spell what UTF-8 cannot hold: half of a surrogate pair.
        if "\0" in text or not text.isascii() and _has_surrogate(text):
            self.report.reject(
                place,
                "a NUL or a lone surrogate in the text",
                ". It is not Unicode text.",
                self.bad_input,
            )
            return False
        return True


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
