"""Locks by which a process keeps others out of a folder."""

import contextlib
import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import Self

from absl import logging

from bert_tf.errors import InputError
from bert_tf.storage import files

_FILE_NAME = ".lock"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)


class FolderLock:
    """Keeps other processes out of a folder until it is closed or this process ends.

    The system drops the lock with the process, however that ends. NFS and SMB pass it
    on to the server, so that it holds between machines too, unless they are mounted
    with `nolock` or the like: then it holds on one machine. Where a file system keeps
    no locks at all (object stores, some Lustre mounts), a warning says so.

    Args:
        directory: the folder; created if it is not there.

    Raises:
        InputError: another process has the lock, and says which; or the path is a URL.
        OSError: the folder is not writable.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        directory = Path(directory)
        files.check_local(directory)
        directory.mkdir(parents=True, exist_ok=True)
        # A file, not the folder itself: NFS locks only what is open for writing.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor: int | None = os.open(directory / _FILE_NAME, flags, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace")
            self.close()
            raise InputError(
                f"{directory}: another run is at work here ({owner.strip()}). Wait for "
                "it or end it, or choose another folder."
            ) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                self.close()
                raise
            logging.warning(
                "%s: its file system keeps no locks (%s), so nothing but you keeps a "
                "second run out.",
                directory,
                error.strerror,
            )
        owner = f"process {os.getpid()} on {socket.gethostname()}\n"
        with contextlib.suppress(OSError):  # A full disk: others learn less from it.
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, owner.encode(), 0)

    def close(self) -> None:
        """Lets others in. The file stays: deleting it could let two in at once."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_lock(path: Path) -> bool:
    """Returns whether a path is the file of a lock."""
    return path.name == _FILE_NAME
