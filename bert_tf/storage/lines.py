"""Lines of text files, compressed or not, in memory that no file can fill.

A line that is not text is an error that names file, line and byte, or is left out
and counted: the caller says which.
"""

import bz2
import collections
import contextlib
import dataclasses
import gzip
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from backports import zstd

from bert_tf.errors import InputError

COMPRESSIONS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": zstd.open,
}
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError, gzip.BadGzipFile)

MAX_LINE_BYTES = 16 * 2**20
_CHUNK_BYTES = 2**20
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclasses.dataclass
class ReadReport:
    """What was read so far and what was left out; filled in while reading.

    Attributes:
        num_files: files begun.
        num_bytes: bytes of them read, as they are on disk (compressed).
        skipped: lines or records left out, by reason.
        examples: where the first of each reason was.
    """

    num_files: int = 0
    num_bytes: int = 0
    skipped: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    examples: dict[str, str] = dataclasses.field(default_factory=dict)

    def reject(self, place: str, reason: str, detail: str, bad_input: str) -> None:
        """Raises over bad input, or counts it.

        Args:
            place: the file, and where in it.
            reason: what is wrong, in words that are the same for every such place.
            detail: what is wrong here, and what to do.
            bad_input: `error` or `skip`.

        Raises:
            InputError: `bad_input` is `error`.
        """
        if bad_input == "error":
            raise InputError(f"{place}: {reason}{detail}")
        self.skip(place, reason)

    def skip(self, place: str, reason: str) -> None:
        """Counts something that is left out."""
        self.skipped[reason] += 1
        self.examples.setdefault(reason, place)

    def skipped_lines(self) -> list[str]:
        """Returns what was left out as lines of text."""
        return [
            f"left out {count:,} places: {reason}; first {self.examples[reason]}"
            for reason, count in sorted(self.skipped.items())
        ]


STDIN = Path("-")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with open(path, "rb") as stream:
        yield stream


@contextlib.contextmanager
def open_decompressed(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Opens a file by its ending, or standard input for `-`.

    Yields:
        The stream of its text, and the file itself, whose `tell()` is the progress
        if it is no pipe.

    Raises:
        InputError: the compressed data is damaged or ends too soon.
    """
    with _open(path) as raw:
        opener = COMPRESSIONS.get(path.suffix.lower())
        if opener is None:
            yield raw, raw
            return
        try:
            with opener(raw) as stream:
                yield stream, raw
        except _DAMAGE as error:
            raise InputError(
                f"{path}: damaged or cut short at byte {raw.tell():,} of the file "
                f"({error}). Expected {path.suffix.lower()} data; make or fetch the "
                "file again."
            ) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise InputError(
                f"{path}: not {path.suffix.lower()} data ({error})."
            ) from error


def read_lines(path: Path, report: ReadReport, bad_input: str) -> Iterator[str]:
    r"""Yields a file's lines without their ends, which may be \n, \r\n or \r, mixed.

    Args:
        path: the file; `.gz`, `.bz2`, `.xz` and `.zst` are decompressed.
        report: counts files, bytes and what is left out.
        bad_input: `error` or `skip`: what to do about a line that is not UTF-8, holds
            a NUL, or is longer than `MAX_LINE_BYTES`.

    Raises:
        InputError: such a line, if `bad_input` is `error`; damaged compressed data.
    """
    report.num_files += 1
    with open_decompressed(path) as (stream, raw):
        tail, line, offset, position, too_long = b"", 1, 0, 0, False
        chunk = stream.read(_CHUNK_BYTES)
        if chunk.startswith(_BYTE_ORDER_MARK):
            chunk, offset = chunk.removeprefix(_BYTE_ORDER_MARK), len(_BYTE_ORDER_MARK)
        while True:
            # A pipe has no position: what came out of it counts.
            reached = raw.tell() if raw.seekable() else position + len(chunk)
            report.num_bytes += reached - position
            position = reached
            data = tail + chunk
            if chunk:
                # A \r at the very end may be half of \r\n: it waits for the rest.
                last = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1))
            else:
                last = len(data) - 1
            body, tail = data[: last + 1], data[last + 1 :]
            if too_long and body:
                # What is left of a line that was given up.
                rest = _LINE.match(body)
                assert rest is not None
                body, offset, too_long = body[rest.end() :], offset + rest.end(), False
                line += 1
            for text, num_bytes in _decode(body, path, line, offset, report, bad_input):
                yield from text
                line += len(text) or 1
                offset += num_bytes
            if too_long:
                offset, tail = offset + len(tail), b""
            elif len(tail) > MAX_LINE_BYTES:
                report.reject(
                    f"{path}: line {line:,} (byte {offset:,} of the text)",
                    f"a line longer than {MAX_LINE_BYTES // 2**20} MiB",
                    ". Is it text with one sentence or record a line?",
                    bad_input,
                )
                offset, tail, too_long = offset + len(tail), b"", True
            if not chunk:
                return
            chunk = stream.read(_CHUNK_BYTES)


def _decode(
    body: bytes, path: Path, line: int, offset: int, report: ReadReport, bad_input: str
) -> Iterator[tuple[list[str], int]]:
    """Yields good lines in runs, and `([], length)` for each bad line."""
    if b"\0" not in body:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if text:
                yield text.removesuffix("\n").split("\n"), len(body)
            return
    for match in _LINE.finditer(body):
        if not match.group():
            return
        content, length = match.group(1), len(match.group())
        try:
            text, fault, reason = content.decode("utf-8"), content.find(b"\0"), "a NUL"
        except UnicodeDecodeError as error:
            fault, reason = error.start, "not UTF-8"
        if fault < 0:
            yield [text], length
        else:
            report.reject(
                f"{path}: line {line:,} (byte {offset + fault:,} of the text)",
                reason,
                f" (byte 0x{content[fault]:02x}). Expected UTF-8 text: convert the "
                "file if it is text (for instance `iconv -f WINDOWS-1252 -t UTF-8`), "
                "drop it if not.",
                bad_input,
            )
            yield [], length
        line += 1
        offset += length
