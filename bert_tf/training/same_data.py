"""Whether the data of a command are those that the run of a workdir is trained on."""

import hashlib
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bert_tf.data.fingerprint import first_difference
from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import flatten, read_json, write_json
from bert_tf.text.vocabulary import VOCABULARY_NAME

FILE_NAME = "data.json"


class Fingerprint(NamedTuple):
    """What a field of the configuration names.

    Attributes:
        path: as it is named; empty for no data.
        values: what tells the data from any other, a JSON object; None for no data. Its
            `vocab_hash` is that of the vocabulary.
    """

    path: str
    values: Mapping[str, Any] | None


# By the field of the configuration, `data.train_dir`.
Fingerprints = Mapping[str, Fingerprint]


def record_data(workdir: Path, data: Fingerprints) -> None:
    """Writes into a workdir what data its run is trained on."""
    content = {name: found.values for name, found in data.items()}
    write_json(workdir / FILE_NAME, content)


def check_same_data(workdir: Path, data: Fingerprints) -> None:
    """Refuses to go on with other data; where they lie makes no difference.

    Args:
        workdir: of a run that has begun.
        data: those of the command.

    Raises:
        InputError: names the field, and what differs.
    """
    record = workdir / FILE_NAME
    if not record.is_file():
        _check_same_paths(workdir, data)
        return
    recorded = read_json(record)
    for name, (path, found) in data.items():
        before = recorded.get(name)
        if before is not None and not isinstance(before, dict):
            raise InputError(
                f"{record}: `{name}` must be an object or null. Received: "
                f"{reprlib.repr(before)}. Restore the file, or choose another "
                "--workdir."
            )
        if isinstance(before, dict) and found is not None:
            difference = first_difference(before, found)
        else:
            had, has = ("none" if each is None else "some" for each in (before, found))
            difference = f"it had {had} and has {has}" if had != has else None
        if difference:
            raise InputError(
                f"{workdir}: its run is trained on other data than `{name}` "
                f"({path or 'none'}): {difference}. Continue it with its own data, or "
                "choose another --workdir."
            )


def _check_same_paths(workdir: Path, data: Fingerprints) -> None:
    """Checks what a run of an earlier version knows: the paths and the vocabulary."""
    before = flatten(read_json(workdir / "config.json"))
    vocabulary = workdir / VOCABULARY_NAME
    known = None
    if vocabulary.is_file():
        known = hashlib.sha256(files.read_bytes(vocabulary)).hexdigest()
    for name, (path, values) in data.items():
        was = before.get(name) or ""
        if os.path.abspath(was or "/") != os.path.abspath(path or "/"):
            raise InputError(
                f"{workdir}: holds another run: its `{name}` is {was!r}. Received: "
                f"{path!r}. An earlier version began it, which knew data by their path "
                "only: name the same, or choose another --workdir."
            )
        if known and values and values["vocab_hash"] != known:
            raise InputError(
                f"{workdir}: its run has another vocabulary than `{name}` ({path}). "
                "Continue it with its own data, or choose another --workdir."
            )
