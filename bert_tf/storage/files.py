"""Writes that appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` on success.

    The caller creates a file or a folder there. If the block raises, whatever was
    created is removed and an earlier `path` stays as it was. An existing file is
    replaced; an existing folder is not.

    Args:
        path: where the finished file or folder will stand. Its parent is created.

    Yields:
        A path in the same folder, not existing yet.

    Raises:
        OSError: the folder is not writable, the disk is full, or `path` is a folder
            already.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A folder of our own, so that two writers of one path never share a name.
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.tmp-", dir=path.parent))
    try:
        temporary = scratch / path.name
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        # The new name only: what else is in the folder is for others to sync.
        _sync_one(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def leftovers(directory: str | os.PathLike[str]) -> set[Path]:
    """Returns the folders in which writers of `atomic_path` were when killed.

    Those of writers that are still at work look the same.
    """
    return set(Path(directory).glob(".*.tmp-*"))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
