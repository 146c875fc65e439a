"""The files that a user names: paths, folders and globs."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bert_tf.errors import InputError
from bert_tf.storage.files import check_regular
from bert_tf.storage.lines import COMPRESSIONS


class InputFile(NamedTuple):
    """A file and its size in bytes, for progress."""

    path: Path
    num_bytes: int


def find_input_files(patterns: str) -> list[InputFile]:
    """Lists the files that patterns name.

    Args:
        patterns: paths of files or folders, or globs (`**` crosses folders), comma
            separated. What exists under a name is meant by it, commas and wildcards in
            it too. Of a folder every file is taken, at any depth, unless its name or a
            folder's on the way begins with `.` or `_`.

    Returns:
        Each file once; in the order of the patterns, and by name within one.

    Raises:
        InputError: a pattern matches no file, or one that is a pipe or a device.
    """
    found: dict[Path, None] = {}
    for pattern in _split(patterns):
        if Path(pattern).is_dir():
            candidates = [
                path
                for path in Path(pattern).rglob("*")
                if not any(
                    part.startswith((".", "_"))
                    for part in path.relative_to(pattern).parts
                )
            ]
        elif Path(pattern).exists():
            check_regular(pattern)
            candidates = [Path(pattern)]
        else:
            candidates = _expand(Path(pattern))
        matches = sorted(path for path in candidates if path.is_file())
        if not matches:
            raise InputError(f"{pattern}: no such file, or no file matches.")
        found.update(dict.fromkeys(matches))
    if not found:
        raise InputError(f"No input files named. Received: {patterns!r}")
    return [InputFile(path, path.stat().st_size) for path in found]


def _split(patterns: str) -> Iterator[str]:
    """Yields the patterns of a list; a comma in the name of what exists is kept."""
    parts = patterns.split(",")
    while parts:
        begins_a_name = glob.glob(glob.escape(parts[0].lstrip()) + ",*")
        for count in range(len(parts) if begins_a_name else 1, 1, -1):
            name = ",".join(parts[:count]).strip()
            if str(_existing(Path(name))).count(",") == count - 1:
                break
        else:
            name, count = parts[0].strip(), 1
        if name:
            yield name
        del parts[:count]


def _expand(pattern: Path) -> list[Path]:
    """Returns what a glob matches, wildcards in a folder that exists not among it."""
    folder = _existing(pattern)
    rest = pattern.relative_to(folder)
    return [
        folder / name for name in glob.glob(str(rest), root_dir=folder, recursive=True)
    ]


def _existing(path: Path) -> Path:
    """Returns the path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if os.path.exists(place))


def content_suffix(path: Path) -> str:
    """Returns the lower-case ending of a file's name, without that of compression."""
    if path.suffix.lower() in COMPRESSIONS:
        path = path.with_suffix("")
    return path.suffix.lower()
