"""Whether the data of a command are those that the run of a workdir is trained on."""

import os
from collections.abc import Mapping
from pathlib import Path

from bert_tf.data.dataset import Dataset
from bert_tf.data.fingerprint import fingerprint, first_difference
from bert_tf.errors import InputError
from bert_tf.storage.json_files import flatten, read_json, write_json
from bert_tf.text.vocabulary import VOCABULARY_NAME, load_entries

FILE_NAME = "data.json"

# By the field of the configuration that names the folder, `data.train_dir`; None where
# it names none.
Datasets = Mapping[str, Dataset | None]


def record_data(workdir: Path, datasets: Datasets) -> None:
    """Writes into a workdir what data its run is trained on."""
    fingerprints = {
        name: fingerprint(dataset) if dataset else None
        for name, dataset in datasets.items()
    }
    write_json(workdir / FILE_NAME, fingerprints)


def check_same_data(workdir: Path, datasets: Datasets) -> None:
    """Refuses to go on with other data; where they lie makes no difference.

    Args:
        workdir: of a run that has begun.
        datasets: those of the command.

    Raises:
        InputError: names the field, and what differs.
    """
    record = workdir / FILE_NAME
    if not record.is_file():
        _check_same_paths(workdir, datasets)
        return
    recorded = read_json(record)
    for name, dataset in datasets.items():
        before = recorded.get(name)
        if isinstance(before, dict) and dataset is not None:
            difference = first_difference(before, fingerprint(dataset))
        else:
            had, has = (
                "none" if each is None else "some" for each in (before, dataset)
            )
            difference = f"it had {had} and has {has}" if had != has else None
        if difference:
            raise InputError(
                f"{workdir}: its run is trained on other data than `{name}` "
                f"({_folder(dataset) or 'none'}): {difference}. Continue it with its "
                "own data, or choose another --workdir."
            )


def _check_same_paths(workdir: Path, datasets: Datasets) -> None:
    """Checks what a run of an earlier version knows: the paths and the vocabulary."""
    before = flatten(read_json(workdir / "config.json"))
    for name, dataset in datasets.items():
        was, path = before.get(name) or "", _folder(dataset)
        if os.path.abspath(was or "/") != os.path.abspath(path or "/"):
            raise InputError(
                f"{workdir}: holds another run: its `{name}` is {was!r}. Received: "
                f"{path!r}. An earlier version began it, which knew data by their path "
                "only: name the same, or choose another --workdir."
            )
    entries, train = workdir / VOCABULARY_NAME, datasets["data.train_dir"]
    assert train is not None, "A run has training data."
    if entries.is_file() and load_entries(entries) != train.vocabulary.entries:
        raise InputError(
            f"{workdir}: its run has another vocabulary than `data.train_dir` "
            f"({_folder(train)}). Continue it with its own data, or choose another "
            "--workdir."
        )


def _folder(dataset: Dataset | None) -> str:
    return str(dataset.directory) if dataset else ""
