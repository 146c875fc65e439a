"""Folders in which writers are at work; those of killed ones are told from live ones'.

A writer locks its folder, and the system drops the lock with the process. Where a file
system knows no locks, a killed writer's folder stays.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LOCK = ".writer"


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder beside `path`, which is gone afterwards.

    What a killed writer of the same path left is removed first.
    """
    remove_leftovers(path.parent, path.name)
    scratch, lock = _create(path)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def leftovers(directory: str | os.PathLike[str], name: str = "*") -> set[Path]:
    """Returns the folders of writers, killed or at work.

    Args:
        directory: where they wrote.
        name: what they wrote; a pattern of `glob`.
    """
    return set(Path(directory).glob(f".{name}.tmp-*"))


def remove_leftovers(
    directory: str | os.PathLike[str], name: str | None = None
) -> None:
    """Deletes what killed writers left, and no live writer's work.

    Args:
        directory: where they wrote.
        name: what they wrote; None for anything.
    """
    for scratch in leftovers(directory, glob.escape(name) if name else "*"):
        try:
            lock = os.open(scratch / _LOCK, os.O_RDWR)
        except OSError:
            # Its writer was killed, or will be told, before it wrote anything.
            with contextlib.suppress(OSError):
                scratch.rmdir()
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _create(path: Path) -> tuple[Path, int]:
    """Creates a folder of our own, so that two writers of one path share no name.

    Returns:
        The folder, and the descriptor that keeps it locked.
    """
    while True:
        try:
            name = tempfile.mkdtemp(prefix=f".{path.name}.tmp-", dir=path.parent)
        except OSError as error:
            error.filename = str(path)
            raise
        scratch = Path(name)
        try:
            # A file, not the folder itself: NFS locks only what is open for writing.
            lock = os.open(scratch / _LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue  # Another writer took it for a leftover, as below.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not (scratch / _LOCK).exists()
        except BlockingIOError:
            taken = True
        except OSError:
            taken = False  # No locks here, so nobody takes it.
        if not taken:
            return scratch, lock
        os.close(lock)
