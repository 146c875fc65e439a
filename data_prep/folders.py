"""Folders that a run fills, perhaps in several attempts, and no other run may touch."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import read_json, write_json

_PARAMETERS_NAME = "parameters.json"


@contextmanager
def locked(directories: Sequence[Path]) -> Iterator[None]:
    """Keeps other runs out of the folders."""
    descriptors = []
    try:
        for directory in directories:
            files.check_local(directory)
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory, os.O_RDONLY)
            descriptors.append(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{directory}: another run is writing here. Wait for it, or "
                    "choose another folder."
                ) from None
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def check_parameters(directory: Path, parameters: dict[str, Any]) -> None:
    """Claims a folder for a run by writing its parameters into it.

    Args:
        directory: the folder.
        parameters: of the run.

    Raises:
        InputError: the folder belongs to a run of other parameters; the message says
            the first that differs, with both values.
    """
    path = directory / _PARAMETERS_NAME
    if not path.is_file():
        write_json(path, parameters)
        return
    difference = first_difference(read_json(path), parameters)
    if difference:
        raise InputError(
            f"{directory}: begun with {difference}. Choose another folder, or "
            "delete this one."
        )


def first_difference(found: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """Says how what was found differs from what is expected; None if it does not."""
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            return f"`{name}` {found.get(name)!r}, but now it is {expected.get(name)!r}"
    return None
