"""What a teacher says and sees of all training examples, computed once, kept on disk.

    <cache folder>/<key>/
        <name>.npy       float32, of each sequence, each token or each [CLS]
        progress.json    how many sequences are done, in the order of their lengths

The key stands for all that decides about the numbers: the teacher, the ids, what is
compared, the precision. A process that is killed leaves what it has written; the next
one goes on after the last batch that is noted as done.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf
from absl import logging

from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.source import LabelledSource
from bert_tf.storage import files
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.storage.locks import FolderLock

TAUGHT = "taught/"
"""What the names of a teacher's outputs begin with, in a batch."""

# As many at once as the student trains on or so, and notes on the way.
_TOKENS = 4096
_BATCHES_PER_NOTE = 20
_PROGRESS = "progress.json"

Per = Literal["sequence", "token", "cls"]
"""What there is one answer of; of sequences that are no sentences' there is a [CLS]."""

Teach = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


class TeacherCache:
    """The outputs of a teacher for the sequences of a data set.

    Args:
        directory: where caches are kept.
        encoded: the sequences.
        shapes: of what is kept: name -> what it goes by, and the axes of each one's.
        key: what decides about the numbers, beside the sequences: a JSON object.
    """

    def __init__(
        self,
        directory: Path,
        encoded: EncodedExamples,
        shapes: Mapping[str, tuple[Per, tuple[int, ...]]],
        key: Mapping[str, object],
    ):
        digest = hashlib.sha256(json.dumps([key, shapes], sort_keys=True).encode())
        for array in (encoded.input_ids, encoded.starts, encoded.first_lengths):
            digest.update(np.ascontiguousarray(array).data)
        self.folder = directory / digest.hexdigest()[:32]
        self._encoded, self._per = encoded, {n: per for n, (per, _) in shapes.items()}
        counts = {
            "sequence": len(encoded),
            "token": len(encoded.input_ids),
            "cls": len(encoded.cls_positions),
        }
        self._shapes = {n: (counts[per], *axes) for n, (per, axes) in shapes.items()}

    @property
    def num_bytes(self) -> int:
        """What it takes on disk."""
        return sum(4 * int(np.prod(shape)) for shape in self._shapes.values())

    @property
    def num_done(self) -> int:
        """How many sequences are done."""
        path = self.folder / _PROGRESS
        return int(read_json(path)["sequences"]) if path.is_file() else 0

    @property
    def is_complete(self) -> bool:
        """Whether all are."""
        return self.num_done == len(self._encoded)

    def fill(self, teach: Callable[[], Teach]) -> None:
        """Computes what is missing.

        Args:
            teach: returns what maps a batch to the teacher's outputs.

        Raises:
            InputError: another run is filling it.
            OSError: the disk is full.
        """
        count = len(self._encoded)
        size = f"{self.num_bytes / 1e6:,.1f} MB in {self.folder}"
        if self.is_complete:
            logging.info("The teacher's outputs are there already: %s", size)
            return
        with FolderLock(self.folder):
            logging.info(
                "The teacher's outputs for %s sequences (%s done) will take %s",
                f"{count:,}",
                f"{self.num_done:,}",
                size,
            )
            if not self.num_done:
                files.check_room(self.folder, self.num_bytes)
            arrays = {name: self._open(name, "r+") for name in self._shapes}
            source = LabelledSource(
                self._encoded, int(self._encoded.lengths.max()), None
            )
            function, done = teach(), self.num_done
            start = 0
            for number, batch in enumerate(source.batches(_TOKENS), start=1):
                sequences = source.order[start : start + len(batch["input_ids"])]
                start += len(sequences)
                if start <= done:
                    continue
                outputs = function({n: tf.constant(v) for n, v in batch.items()})
                self._write(arrays, sequences, outputs)
                if number % _BATCHES_PER_NOTE == 0 or start == count:
                    for array in arrays.values():
                        array.flush()
                    write_json(self.folder / _PROGRESS, {"sequences": start})

    def add_to(self, encoded: EncodedExamples) -> EncodedExamples:
        """Returns the sequences with the teacher's outputs as targets of theirs."""
        found = {name: self._open(name, "r") for name in self._shapes}
        targets = {
            "sequence": dict(encoded.targets),
            "token": dict(encoded.token_targets),
            "cls": dict(encoded.cls_targets),
        }
        for name, array in found.items():
            targets[self._per[name]][TAUGHT + name] = array
        return dataclasses.replace(
            encoded,
            targets=targets["sequence"],
            token_targets=targets["token"],
            cls_targets=targets["cls"],
        )

    def _open(self, name: str, mode: str) -> np.memmap:
        path, shape = self.folder / f"{name}.npy", self._shapes[name]
        if mode == "r+" and not path.exists():
            return np.lib.format.open_memmap(path, "w+", np.float32, shape)
        try:
            array = np.lib.format.open_memmap(path, mode)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}). Delete {self.folder}; the "
                "teacher's outputs are then computed again."
            ) from error
        return array

    def _write(
        self,
        arrays: Mapping[str, np.ndarray],
        sequences: np.ndarray,
        outputs: Mapping[str, tf.Tensor],
    ) -> None:
        """Writes the outputs of a batch to their places."""
        encoded = self._encoded
        parts = {
            "token": _places(encoded.starts, sequences),
            "cls": _places(encoded.cls_splits, sequences),
        }
        for name, array in arrays.items():
            values = tf.cast(outputs[name], tf.float32).numpy()
            if self._per[name] == "sequence":
                array[sequences] = values
            else:
                places, rows, within = parts[self._per[name]]
                array[places] = values[rows, within]


def _places(
    splits: np.ndarray, sequences: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns where the parts of some sequences stand.

    Args:
        splits: `[N + 1]`, where the parts of each sequence begin.
        sequences: `[rows]`, which ones.

    Returns:
        Of each part: its place among all, its row, and its place in that.
    """
    counts = np.diff(splits)[sequences]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.repeat(np.arange(len(sequences)), counts)
    return np.repeat(splits[sequences], counts) + within, rows, within
