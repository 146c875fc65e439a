"""Records of JSON Lines, or of a file that is one array, a few at a time."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Place
from bert_tf.storage.lines import STDIN, ReadReport, open_decompressed, read_lines

_CHUNK_BYTES = 2**20
_MAX_RECORD_CHARACTERS = 2**26


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
        except (ValueError, RecursionError) as error:  # Or a number too long.
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
    decoder, number = json.JSONDecoder(), 1
    report.num_files += 1
    with open_decompressed(path) as (stream, raw):
        text = _GrowingText(path, stream, raw, report)
        text.expect("[", Place(str(path), number, "record"))
        if text.peek() == "]":
            return
        while True:
            place = Place(str(path), number, "record")
            text.peek()  # Past blanks, which the decoder does not skip.
            while True:
                try:
                    record, text.position = decoder.raw_decode(text.text, text.position)
                    break
                except RecursionError as error:
                    raise InputError(f"{place}: nested too deeply.") from error
                except json.JSONDecodeError as error:
                    # Perhaps the record goes on in the next chunk.
                    if text.at_end or len(text.text) > _MAX_RECORD_CHARACTERS:
                        raise InputError(f"{place}: not JSON ({error}).") from error
                    text.grow()
                except ValueError as error:  # A number of thousands of digits.
                    raise InputError(f"{place}: not JSON ({error}).") from error
            yield place, record
            number += 1
            if text.expect(",]", Place(str(path), number, "record")) == "]":
                return


class _GrowingText:
    """A file's text of which what was read is dropped as more is needed.

    Attributes:
        text: what is held.
        position: in `text`, of what comes next.
        at_end: whether the file has no more.
    """

    def __init__(
        self, path: Path, stream: IO[bytes], raw: IO[bytes], report: ReadReport
    ) -> None:
        self.text, self.position, self.at_end = "", 0, False
        self._path, self._stream, self._raw, self._report = path, stream, raw, report
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._num_bytes = 0

    def grow(self) -> None:
        """Reads a chunk more."""
        chunk = self._stream.read(_CHUNK_BYTES)
        try:
            more = self._decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path}: not UTF-8 (byte 0x{error.object[error.start]:02x}) "
                f"in the last {len(chunk):,} of the first "
                f"{self._stream.tell():,} bytes. Convert the file."
            ) from error
        self.text, self.position = self.text[self.position :] + more, 0
        self.at_end = not chunk
        reached = self._raw.tell()
        self._report.num_bytes += reached - self._num_bytes
        self._num_bytes = reached

    def peek(self) -> str:
        """Returns the next character that is no blank; "" at the end."""
        while True:
            while self.position < len(self.text):
                if self.text[self.position] not in " \t\r\n":
                    return self.text[self.position]
                self.position += 1
            if self.at_end:
                return ""
            self.grow()

    def expect(self, characters: str, place: Place) -> str:
        """Takes the next character that is no blank, one of those given."""
        found = self.peek()
        if not found or found not in characters:
            raise InputError(
                f"{place}: not JSON: expected one of {characters!r}. Received: "
                f"{found or 'the end of the file'!r}"
            )
        self.position += 1
        return found
