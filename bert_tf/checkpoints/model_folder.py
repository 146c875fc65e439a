"""The native model folder: what training writes and everything else reads.

    bert_config.json        the model's configuration
    vocab.txt               one entry a line
    tokenizer_config.json   how text becomes entries
    model.safetensors       float32 variables under google-research/bert's names
    optimizer.safetensors   optimizer slots (training checkpoints only)
    training_state.json     step, position in the data, ... (training checkpoints only)
    checkpoint.json         sizes and checksums of all the others, written last

Reading and writing need no TensorFlow.
"""

import dataclasses
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import from_dict, read_json, write_json
from bert_tf.storage.safetensors_files import TensorFile, write_tensors
from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME
from bert_tf.text.vocabulary import VOCABULARY_NAME, Vocabulary

MANIFEST = "checkpoint.json"
CONFIG = "bert_config.json"
VARIABLES = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
TRAINING_STATE = "training_state.json"

FORMAT_VERSION = 1
_REQUIRED = (CONFIG, VOCABULARY_NAME, TOKENIZER_CONFIG_NAME, VARIABLES)


@dataclasses.dataclass(frozen=True)
class ModelFolder:
    """A model folder whose checksums have been verified.

    Attributes:
        path: the folder.
        config: the model's shape.
        vocabulary: entries and the tokenizer's settings.
        task: what the model was trained for.
        variables: float32 arrays by google-research/bert name, read on access.
        step: the training step it was written at; 0 for converted weights.
        metadata: what the writer noted, for instance held-out accuracies.
        optimizer: optimizer slots by name, or None.
        training_state: what resuming needs beside the arrays, or None.
    """

    path: Path
    config: BertConfig
    vocabulary: Vocabulary
    task: TaskDescription
    variables: Mapping[str, np.ndarray]
    step: int
    metadata: dict[str, Any]
    optimizer: Mapping[str, np.ndarray] | None
    training_state: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class _ListedFile:
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Manifest:
    """`checkpoint.json`. Earlier versions named no task: all models were pretrained."""

    format_version: int = FORMAT_VERSION
    step: int = 0
    task: TaskDescription = dataclasses.field(default_factory=TaskDescription)
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, _ListedFile]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file; raises an InputError if it is none of this version's."""
        values = read_json(path)
        version = values.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise InputError(
                f"{path}: this version reads format_version {FORMAT_VERSION}. "
                f"Received: {reprlib.repr(version)}"
            )
        manifest: Self = from_dict(cls, values, str(path))
        for name in _REQUIRED:
            if name not in manifest.files:
                raise InputError(f"{path}: lists no {name!r}.")
        for name in manifest.files:
            # A manifest must not send its reader to files of other folders.
            if Path(name).name != name:
                raise InputError(
                    f"{path}: `files` must name files of the folder. Received: {name!r}"
                )
        return manifest


def save_model_folder(
    directory: str | os.PathLike[str],
    *,
    config: BertConfig,
    variables: Mapping[str, np.ndarray],
    vocabulary: Vocabulary,
    task: TaskDescription | None = None,
    step: int = 0,
    metadata: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, np.ndarray] | None = None,
    training_state: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a model folder; it appears whole or not at all.

    Args:
        directory: the folder to create.
        config: the model's shape.
        variables: float32 arrays by google-research/bert name.
        vocabulary: entries and the tokenizer's settings.
        task: what the model was trained for; None for pretraining of unknown lengths.
        step: the training step of these variables.
        metadata: notes for `checkpoint.json`; any JSON object.
        optimizer: optimizer slots by name.
        training_state: what resuming needs beside the arrays; any JSON object.
        overwrite: whether an earlier folder of that path is replaced.

    Returns:
        The folder's path.

    Raises:
        InputError: `directory` exists and `overwrite` is False, or a variable is
            not float32.
    """
    directory = Path(directory)
    if directory.exists() and not overwrite and not _is_empty_folder(directory):
        raise InputError(f"{directory} already exists. Delete it or name another.")
    for name, array in variables.items():
        if array.dtype != np.float32:
            raise InputError(f"`{name}` must be float32. Received: {array.dtype}")

    with files.atomic_path(directory) as folder:
        folder.mkdir()
        write_json(folder / CONFIG, config.validate().to_dict())
        vocabulary.save(folder)
        write_tensors(folder / VARIABLES, variables)
        if optimizer is not None:
            write_tensors(folder / OPTIMIZER, optimizer)
        if training_state is not None:
            write_json(folder / TRAINING_STATE, training_state)
        manifest = _Manifest(
            step=step,
            task=task or TaskDescription(),
            metadata=dict(metadata or {}),
            files={
                path.name: _ListedFile(path.stat().st_size, files.sha256(path))
                for path in sorted(folder.iterdir())
            },
        )
        write_json(folder / MANIFEST, dataclasses.asdict(manifest))
        if overwrite and directory.exists():
            # Beside the new folder, so that it vanishes with the scratch folder.
            os.replace(directory, folder.parent / "replaced")
    return directory


def load_model_folder(path: str | os.PathLike[str]) -> ModelFolder:
    """Opens a model folder after comparing every file with its checksum.

    Raises:
        InputError: a file is missing, truncated or altered, or the folder is none of
            ours; the message names the file.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise InputError(f"{path}: holds no {MANIFEST}, so it is not a model folder.")
    manifest = _Manifest.load(path / MANIFEST)
    listed = manifest.files
    for name, expected in listed.items():
        _verify(path / name, expected)
    return ModelFolder(
        path=path,
        config=BertConfig.from_json_file(path / CONFIG),
        vocabulary=Vocabulary.load(path),
        task=manifest.task,
        variables=TensorFile(path / VARIABLES),
        step=manifest.step,
        metadata=manifest.metadata,
        optimizer=TensorFile(path / OPTIMIZER) if OPTIMIZER in listed else None,
        training_state=(
            read_json(path / TRAINING_STATE) if TRAINING_STATE in listed else None
        ),
    )


def check_finite(source: object, name: str, array: np.ndarray) -> None:
    """Raises an InputError over a variable with a value that is no number.

    Args:
        source: where it comes from, for the message.
        name: what it is called.
        array: any float dtype.
    """
    if num_damaged := array.size - np.count_nonzero(np.isfinite(array)):
        raise InputError(
            f"{source}: {num_damaged} of the {array.size} values of `{name}` are NaN "
            "or infinite. The model was damaged in training or since: take an earlier "
            "checkpoint, or get it again."
        )


def _verify(path: Path, expected: "_ListedFile") -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing, though {MANIFEST} lists it.")
    found = path.stat().st_size
    if found != expected.num_bytes:
        raise InputError(
            f"{path}: truncated or altered. It must be {expected.num_bytes} bytes "
            f"long. Received: {found}"
        )
    if files.sha256(path) != expected.sha256:
        raise InputError(
            f"{path}: altered; its SHA-256 is not {MANIFEST}'s {expected.sha256}."
        )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
