"""Named arrays in safetensors files: read lazily, written the same every time."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from bert_tf.errors import InputError


class TensorFile(Mapping[str, np.ndarray]):
    """The arrays of a safetensors file, each read when it is asked for.

    The file stays mapped, so arrays can still be read after the file is deleted.

    Args:
        path: the file.

    Raises:
        InputError: not a whole safetensors file.
        FileNotFoundError: no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{path}: no such file.")
        try:
            self._file: Any = safetensors.safe_open(self.path, framework="np")
        except safetensors.SafetensorError as error:
            raise InputError(
                f"{path}: not a whole safetensors file ({error}). It was truncated, "
                "or is another kind of file; copy or download it again."
            ) from error
        self._names = sorted(self._file.keys())

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        return self._file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns an array's shape without reading the array."""
        return tuple(self._file.get_slice(name).get_shape())


def write_tensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes arrays as a safetensors file that PyTorch's readers open too.

    The order of `arrays` does not matter to the bytes written. The write is not
    atomic: callers write into a folder that is.
    """
    # `order="C"` because safetensors writes an array's memory as it lies.
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    safetensors.numpy.save_file(whole, str(path), metadata={"format": "pt"})
