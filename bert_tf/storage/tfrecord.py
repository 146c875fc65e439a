"""TFRecord files without TensorFlow.

A record is its length (uint64), the length's checksum, its bytes, and their checksum;
a checksum is a rotated CRC-32C plus a constant. Source:
`tensorflow/core/lib/io/record_writer.h`.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import BinaryIO, Self

import google_crc32c

from bert_tf.errors import InputError
from bert_tf.storage.files import check_regular

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
HEADER_SIZE = _LENGTH.size + _CHECKSUM.size
FOOTER_SIZE = _CHECKSUM.size
# No example comes near it; a damaged length that passes its checksum would.
_MAX_RECORD_SIZE = 1 << 30


class RecordWriter:
    """Writes records to a new file and sums it up.

    Atomicity is the caller's: write to a path of `files.atomic_path`.

    Args:
        path: the file to create.

    Attributes:
        num_records: records written so far.
        num_bytes: size of the file so far.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: BinaryIO = open(path, "xb")
        self._digest = hashlib.sha256()
        self._headers: dict[int, bytes] = {}
        self.num_records = 0
        self.num_bytes = 0

    @property
    def sha256(self) -> str:
        """Checksum of the file so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, records: Iterable[bytes]) -> None:
        """Appends records."""
        parts: list[bytes] = []
        for record in records:
            size = len(record)
            header = self._headers.get(size)
            if header is None:
                length = _LENGTH.pack(size)
                header = self._headers[size] = length + checksum(length)
            parts += (header, record, checksum(record))
        content = b"".join(parts)
        self._file.write(content)
        self._digest.update(content)
        self.num_records += len(parts) // 3
        self.num_bytes += len(content)

    def close(self) -> None:
        """Flushes and closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_records(
    path: str | os.PathLike[str],
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[bytes]:
    """Yields a TFRecord file's records, every checksum checked.

    Args:
        path: an uncompressed TFRecord file.
        on_damage: called with the message instead of raising it. A record whose
            bytes are damaged is then left out; if its length is, so is the rest of
            the file, because nothing says where the next record starts.

    Yields:
        The records' bytes.

    Raises:
        InputError: a record is damaged or cut off; the message names the file and the
            byte offset at which the record starts.
    """
    check_regular(path)
    offset = 0
    with open(path, "rb") as file:
        while header := file.read(HEADER_SIZE):
            problem = header_problem(header)
            size = 0 if problem else _LENGTH.unpack(header[: _LENGTH.size])[0]
            body = b"" if problem else file.read(size + FOOTER_SIZE)
            lost_track = problem is not None or len(body) < size + FOOTER_SIZE
            if not problem and lost_track:
                problem = "is cut off"
            elif not problem and checksum(body[:size]) != body[size:]:
                problem = "does not match its checksum"
            if problem is None:
                yield body[:size]
            else:
                message = (
                    f"{os.fspath(path)}: the record at byte {offset} {problem}. Write "
                    "the file again, or restore it from a copy."
                )
                if on_damage is None:
                    raise InputError(message)
                on_damage(message)
                if lost_track:
                    return
            offset += HEADER_SIZE + size + FOOTER_SIZE


def header_problem(header: bytes) -> str | None:
    """Returns what is wrong with a record's length and its checksum, or None."""
    if len(header) < HEADER_SIZE:
        return "is cut off"
    length = header[: _LENGTH.size]
    if (
        checksum(length) != header[_LENGTH.size :]
        or _LENGTH.unpack(length)[0] > _MAX_RECORD_SIZE
    ):
        return "has a damaged length, or this is no TFRecord file"
    return None


def frame(record: bytes) -> bytes:
    """Returns a record as it stands in a file, with its length and checksums."""
    length = _LENGTH.pack(len(record))
    return length + checksum(length) + record + checksum(record)


def checksum(data: bytes) -> bytes:
    """Returns the masked CRC-32C that the format stores, four bytes."""
    crc = google_crc32c.value(data)
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
