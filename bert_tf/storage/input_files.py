"""The files that a user names: paths, folders and globs."""

import glob
from pathlib import Path
from typing import NamedTuple

from bert_tf.errors import InputError
from bert_tf.storage.lines import COMPRESSIONS


class InputFile(NamedTuple):
    """A file and its size in bytes, for progress."""

    path: Path
    num_bytes: int


def find_input_files(patterns: str) -> list[InputFile]:
    """Lists the files that patterns name.

    Args:
        patterns: paths of files or folders, or globs (`**` crosses folders), comma
            separated. Of a folder every file is taken, at any depth, unless its name
            or a folder's on the way begins with `.` or `_`.

    Returns:
        Each file once; in the order of the patterns, and by name within one.

    Raises:
        InputError: a pattern matches no file.
    """
    found: dict[Path, None] = {}
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        if Path(pattern).is_dir():
            candidates = [
                path
                for path in Path(pattern).rglob("*")
                if not any(
                    part.startswith((".", "_"))
                    for part in path.relative_to(pattern).parts
                )
            ]
        elif Path(pattern).is_file():
            candidates = [Path(pattern)]
        else:
            candidates = [Path(name) for name in glob.glob(pattern, recursive=True)]
        matches = sorted(path for path in candidates if path.is_file())
        if not matches:
            raise InputError(f"{pattern}: no such file, or no file matches.")
        found.update(dict.fromkeys(matches))
    if not found:
        raise InputError(f"No input files named. Received: {patterns!r}")
    return [InputFile(path, path.stat().st_size) for path in found]


def content_suffix(path: Path) -> str:
    """Returns the lower-case ending of a file's name, without that of compression."""
    if path.suffix.lower() in COMPRESSIONS:
        path = path.with_suffix("")
    return path.suffix.lower()
