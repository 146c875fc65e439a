"""Parquet files, whose library is an extra."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError


def import_pyarrow(path: str | os.PathLike[str]) -> Any:
    """Returns the library, with `pyarrow.parquet`.

    Args:
        path: the file that it is wanted for.

    Raises:
        InputError: the extra is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)}: Parquet needs `pip install bert-tf[parquet]`."
        ) from error
    return pyarrow


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Opens a Parquet file.

    Yields:
        A `pyarrow.parquet.ParquetFile`; what it raises inside the block becomes an
        InputError.

    Raises:
        InputError: the extra is missing, or the file is damaged or of another kind.
    """
    pyarrow = import_pyarrow(path)
    try:
        with pyarrow.parquet.ParquetFile(
            path, page_checksum_verification=True
        ) as table:
            yield table
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: not a Parquet file, or damaged ({error})."
        ) from error
