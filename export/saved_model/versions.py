"""The folders that TF Serving finds a model's versions in."""

import os
from pathlib import Path

from bert_tf.errors import InputError


def version_dir(path: str | os.PathLike[str]) -> Path:
    """Returns where a new version goes: the next one, unless the path's name is one.

    Args:
        path: a model's folder, or a version's in it, whose name is a number.

    Raises:
        InputError: the version is there already, or the folder holds something else.
    """
    path = Path(path)
    there = sorted(path.iterdir()) if path.is_dir() else []
    if path.name.isdecimal():
        if there or path.is_file():
            raise InputError(
                f"{path} is there already. Name its parent as --output_dir for the "
                "next version, or delete it."
            )
        return path
    versions = [int(entry.name) for entry in there if entry.name.isdecimal()]
    # What a killed export left begins with a dot.
    others = [e for e in there if not e.name.isdecimal() and e.name[0] != "."]
    if others:
        raise InputError(
            f"{others[0]} is in the way: a model's folder holds its versions only, as "
            "1, 2, ... Name a new --output_dir."
        )
    return path / str(max(versions, default=0) + 1)
