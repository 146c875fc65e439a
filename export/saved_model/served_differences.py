"""How far what a server answers is from what the checkpoint computes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from export.check.backends import KerasBackend
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import sample_requests
from export.saved_model.input_checks import WITH_INPUT_IDS
from export.saved_model.saving import text_endpoints

_SEED = 0
# Rows and tokens of the random ids on which checkpoint and export are compared.
_ROWS = (1, 3, 8)
OF_IDS = ("serve_ids", "serve_examples")
"""Signatures of ids, which all exports have."""


class Served(Protocol):
    """A SavedModel that runs."""

    def call(
        self, signature: str, inputs: Mapping[str, Any]
    ) -> tuple[dict[str, np.ndarray], list[float]]:
        """Returns the outputs, and the seconds of the call.

        Raises:
            RefusedRequestError: it refuses these inputs.
        """
        ...


def differences_by_signature(
    served: Served,
    trained: TrainedModel,
    takes: Mapping[str, Any],
    shapes: Mapping[str, Mapping[str, Sequence[int | None]]],
) -> dict[str, float]:
    """Returns how far each signature's numbers are from the checkpoint's.

    Args:
        served: the SavedModel where it runs.
        trained: what it was made from.
        takes: the types of each signature's inputs.
        shapes: their shapes, None where any size will do.
    """
    keras = KerasBackend(trained.task.serve_ids(trained.model).function)
    differences = {name: 0.0 for name in OF_IDS if name in takes}
    for ids in _random_ids(trained, shapes["serve_ids"]):
        expected = keras.predict(ids)
        # Positions of padding are nobody's: what is computed there may differ.
        lists = {
            name: [row[: _real(name, ids, i)].tolist() for i, row in enumerate(value)]
            for name, value in ids.items()
        }
        requests = {
            "serve_ids": ids,
            "serve_examples": {
                "examples": np.array(sample_requests.serialized(lists), object)
            },
        }
        for name in differences:
            found, _ = served.call(name, requests[name])
            difference = largest_difference(found, expected)
            # Unlike `max`, this keeps a NaN, which is near nothing.
            differences[name] = float(np.maximum(differences[name], difference))
    endpoints = text_endpoints(trained)
    for name in takes.keys() & endpoints.keys():
        request = sample_requests.example(
            sorted(takes[name]),
            trained.folder.vocabulary,
            trained.max_seq_length,
            masked=trained.task.name == "pretraining",
        )
        arrays = {key: np.array(v, takes[name][key]) for key, v in request.items()}
        expected = KerasBackend(endpoints[name].function).predict(arrays)
        differences[name] = largest_difference(served.call(name, arrays)[0], expected)
    return differences


def largest_difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Returns the largest difference; infinite where what is no number differs."""
    largest = 0.0
    if found.keys() != expected.keys():
        return np.inf
    for name, value in expected.items():
        value, other = np.asarray(value), np.asarray(found[name])
        if value.shape != other.shape:
            return np.inf
        if value.dtype.kind != "f":
            if not np.array_equal(value, other):
                return np.inf
        elif value.size:
            largest = float(np.maximum(largest, np.abs(value - other).max()))
    return largest


def _real(name: str, ids: Mapping[str, np.ndarray], row: int) -> int:
    if name not in WITH_INPUT_IDS or "input_mask" not in ids:
        return ids[name].shape[1]
    return int(ids["input_mask"][row].sum())


def _random_ids(
    trained: TrainedModel, shapes: Mapping[str, Sequence[int | None]]
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of ids of several sizes, rows of several lengths."""
    rng = np.random.default_rng(_SEED)
    config = trained.folder.config
    longest = trained.max_seq_length
    batch, width = shapes["input_ids"]
    for rows in _ROWS if batch is None else (batch,):
        any_length = width is None and rows > 1
        length = int(rng.integers(3, longest + 1)) if any_length else longest
        lengths = np.append(rng.integers(3, length + 1, rows - 1), length)[:, None]
        mask = (np.arange(length) < lengths).astype(np.int32)
        ids = rng.integers(0, config.vocab_size, [rows, length]).astype(np.int32)
        values = {
            "input_ids": ids * mask,
            "input_mask": mask,
            "segment_ids": ((np.arange(length) > lengths // 2) * mask).astype(np.int32),
        }
        names = trained.task.input_lengths(1)
        for name in names:
            size = [rows, shapes[name][1] or 2]
            values.setdefault(name, rng.integers(0, 3, size).astype(np.int32))
        yield {name: value for name, value in values.items() if name in names}
