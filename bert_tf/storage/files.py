"""Writes that appear whole or not at all."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.storage.scratch import scratch_folder

# `pathlib` makes one slash of two.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers where a disk, a quota or a file has no room left."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` on success.

    The caller creates a file or a folder there. If the block raises, whatever was
    created is removed and an earlier `path` stays as it was. An existing file is
    replaced; an existing folder is not. What a killed writer of the same path left is
    removed first.

    Args:
        path: where the finished file or folder will stand. Its parent is created.

    Yields:
        A path in the same folder, not existing yet.

    Raises:
        InputError: `path` is a URL.
        OSError: the folder is not writable, the disk is full, or `path` is a folder
            already; names `path` unless it names another file.
    """
    check_local(path)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path) as scratch, _told_of(path, scratch):
        temporary = scratch / path.name
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        # The new name only: what else is in the folder is for others to sync.
        _sync_one(path.parent)


@contextlib.contextmanager
def _told_of(path: Path, scratch: Path) -> Iterator[None]:
    """Has errors name files as they will be called, not as while they are written."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            name = str(error.filename or path)
            error.filename = name.replace(str(scratch), str(path.parent), 1)
            raise
        # TensorFlow, safetensors and HDF5 say in words what the system said.
        words = {os.strerror(code): code for code in NO_SPACE}
        full = next((word for word in words if word in str(error)), None)
        if full is None:
            raise
        raise OSError(words[full], full, str(path)) from error


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """As `atomic_path`, for a file: a folder of that name is refused at once."""
    if Path(path).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with atomic_path(path) as temporary:
        yield temporary


def check_local(path: str | os.PathLike[str]) -> None:
    """Checks that a path is no URL, of which a folder called `gs:` would be made.

    Raises:
        InputError: it is.
    """
    if _URL.match(os.fspath(path)):
        raise InputError(
            f"{os.fspath(path)}: must be a path of this machine. Received: a URL. "
            "Write to a folder and copy it, or mount what the URL names."
        )


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Reads a file whole, as `check_regular` lets it.

    Raises:
        InputError: the path is that of something else.
        OSError: there is no such file, or it cannot be read.
    """
    check_regular(path)
    return Path(path).read_bytes()


def check_regular(path: str | os.PathLike[str]) -> None:
    """Checks that a path is that of a file.

    A named pipe or a device in its place would be waited for, or read, for ever.

    Raises:
        InputError: it is that of something else.
        OSError: there is nothing.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise InputError(f"{os.fspath(path)}: must be a file. Received: {kind}")


def sha256(path: str | os.PathLike[str]) -> str:
    """Returns a file's checksum as `sha256sum` prints it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Writes UTF-8 text atomically.

    Where a file's name in it has a byte that is no UTF-8, `\udce9` is written, which
    JSON reads back as that name.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


class Appender:
    """A file that grows: what is written survives a kill, and a crash after `sync`.

    Args:
        path: the file; created if it is not there.

    Raises:
        OSError: the disk is full, for instance; names the file, as every method does.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._file = self._path.open("ab", buffering=0)

    def write(self, content: bytes) -> None:
        """Appends to the file."""
        with _naming(self._path):
            while content:  # A write to a disk that is nearly full may be partial.
                content = content[self._file.write(content) :]

    def sync(self) -> None:
        """Forces what was written to disk."""
        with _naming(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        with _naming(self._path):
            self._file.close()


def check_room(directory: str | os.PathLike[str], num_bytes: int) -> None:
    """Checks that so many bytes can be written, before a library that can't fail does.

    Raises:
        OSError: the disk, the quota or the largest file is smaller.
    """
    with tempfile.TemporaryFile(dir=directory) as file, _naming(Path(directory)):
        os.posix_fallocate(file.fileno(), 0, num_bytes)


@contextlib.contextmanager
def named_if_full(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Says where and what to do when a write fails for lack of space."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise OSError(
            f"{error.filename or directory}: {error.strerror}. Make room and run the "
            "same command again: what is finished stays."
        ) from error


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Gives an OSError the name of a file: those of writes have none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def sync(path: str | os.PathLike[str]) -> None:
    """Forces a file, or a folder with all that is in it, to disk."""
    path = Path(path)
    if path.is_dir():
        for entry in path.iterdir():
            sync(entry)
    _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
