"""Arrays in a folder's safetensors file or shards; never from a pickle."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields, read_json
from bert_tf.storage.safetensors_files import TensorFile

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
"""Suffixes of files that PyTorch and others pickle."""


def open_arrays(folder: Path) -> Mapping[str, np.ndarray]:
    """Opens a folder's arrays, from one file or from shards.

    Raises:
        InputError: there is no such file, only a pickle, or one is damaged or missing.
    """
    if (folder / WEIGHTS).is_file():
        return TensorFile(folder / WEIGHTS)
    if (folder / _INDEX).is_file():
        return _ShardedArrays(folder)
    for file in sorted(folder.iterdir()):
        if file.suffix in PICKLES:
            raise InputError(pickle_refusal(file))
    raise InputError(f"{folder}: holds neither {WEIGHTS!r} nor {_INDEX!r}.")


def pickle_refusal(file: Path) -> str:
    """Says why a pickle file is not opened, and what to do instead."""
    return (
        f"{file}: a pickle file, which can run any code when it is opened, so it "
        "never is. Get the model's safetensors version, or, if you trust the file, "
        "write one with transformers' `model.save_pretrained(folder)`."
    )


@dataclasses.dataclass
class _Index:
    weight_map: dict[str, str]


class _ShardedArrays(Mapping[str, np.ndarray]):
    """The arrays of several safetensors files behind one index."""

    def __init__(self, folder: Path) -> None:
        path = folder / _INDEX
        index: _Index = from_known_fields(_Index, read_json(path), str(path))
        self._file_of = index.weight_map
        self._files = {}
        for name in sorted(set(self._file_of.values())):
            if Path(name).name != name or not (folder / name).is_file():
                raise InputError(f"{path}: its shard {name!r} is not beside it.")
            self._files[name] = TensorFile(folder / name)
        for array, name in self._file_of.items():
            if array not in self._files[name]:
                raise InputError(
                    f"{folder / name}: lacks {array!r}, which {path} lists"
                )

    def __getitem__(self, name: str) -> np.ndarray:
        return self._files[self._file_of[name]][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def __len__(self) -> int:
        return len(self._file_of)
