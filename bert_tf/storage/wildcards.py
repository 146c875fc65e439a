"""Paths for libraries that take `*`, `?` and `[` in every path for wildcards."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_WILDCARDS = re.compile(r"[*?\[\\]")


@contextlib.contextmanager
def without_wildcards(prefix: Path) -> Iterator[Path]:
    """Makes files available under a path without wildcards.

    TensorFlow looks for a checkpoint's files by a pattern made of its prefix, and
    finds none where a folder's name has `[1]` in it.

    Args:
        prefix: a file, a folder, or what the names of several files begin with.

    Yields:
        The same where it holds no wildcard; otherwise the prefix of links to the
        files, which are gone after the block.
    """
    if not _WILDCARDS.search(str(prefix)):
        yield prefix
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "link"
        for path in prefix.parent.iterdir():
            if path.name.startswith(prefix.name):
                rest = path.name.removeprefix(prefix.name)
                Path(f"{link}{rest}").symlink_to(path.resolve())
        yield link
