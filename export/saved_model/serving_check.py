"""Checks a SavedModel as a server meets it: what it takes, answers and refuses."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json
from bert_tf.storage.tfrecord import read_records
from export.check.backends import KerasBackend, RefusedRequestError
from export.check.comparison import FLOAT32_TOLERANCE
from export.checkpoint import pretrained
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import prediction_log, sample_requests, serving_ops, warmup
from export.saved_model.hostile_requests import hostile_requests
from export.saved_model.saving import EXTRA_ASSETS, WITH_INPUT_IDS, text_endpoints

_SEED = 0
# Rows and tokens of the random ids on which checkpoint and export are compared.
_ROWS = (1, 3, 8)
_OF_IDS = ("serve_ids", "serve_examples")


def version_in(path: str | os.PathLike[str]) -> Path:
    """Returns the SavedModel that a path means: itself, or a model's newest version.

    Raises:
        InputError: there is none.
    """
    path = Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    found = [p.parent for p in path.glob("*/saved_model.pb")]
    versions = [p for p in found if p.name.isdecimal()]
    if not versions:
        raise InputError(
            f"{path}: no SavedModel here (no saved_model.pb), and no versions of one. "
            "Write one with `python -m export.export_saved_model`."
        )
    return max(versions, key=lambda p: int(p.name))


def description_of(directory: Path) -> dict[str, Any]:
    """Returns what an export says of itself.

    Raises:
        InputError: it is not one of `export.export_saved_model`.
    """
    path = directory / EXTRA_ASSETS / "export.json"
    if not path.is_file():
        raise InputError(
            f"{path}: not there. Is {directory} an export of `python -m "
            "export.export_saved_model`?"
        )
    return read_json(path)


def load_checkpoint(
    description: Mapping[str, Any], checkpoint: str | None
) -> TrainedModel:
    """Returns the model that an export was made from.

    Args:
        description: what the export says of itself.
        checkpoint: where the checkpoint is; None for where the export was made.

    Raises:
        InputError: there is no checkpoint, or it is another step's.
    """
    from bert_tf.checkpoints.workdir import resolve_checkpoint

    place = checkpoint or description.get("checkpoint")
    if not place or (checkpoint is None and not Path(place).exists()):
        raise InputError(
            f"The export was made from {place or 'an unnamed checkpoint'}, which is "
            "not there. Name it with --checkpoint."
        )
    folder = resolve_checkpoint(place)
    if folder.step != description["step"]:
        raise InputError(
            f"{place}: step {folder.step}, but the export is of step "
            f"{description['step']}. Name its checkpoint with --checkpoint."
        )
    settings = description["task"]["settings"]
    return pretrained.load(folder, description["max_seq_length"], **settings)


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


def check(directory: Path, trained: TrainedModel, served: Served) -> dict[str, Any]:
    """Checks an export.

    Args:
        directory: the SavedModel.
        trained: what it was made from.
        served: the SavedModel where it runs.

    Returns:
        `signatures`, `max_abs_diff` from the checkpoint by signature, the number of
        `warmup_requests`, what became of each of the `invalid_requests`, and the
        `failures`, a sentence each.
    """
    description = description_of(directory)
    names = description["signatures"]
    with_text = set(names) > set(_OF_IDS)
    failures = []
    try:
        serving_ops.check(directory, with_text=with_text)
    except InputError as error:
        failures.append(str(error))
    takes = warmup.input_types(directory)
    if set(takes) != set(names):
        failures.append(
            f"{directory}: its signatures are {sorted(takes)}, but export.json says "
            f"{sorted(names)}."
        )
    differences = _compare(served, trained, takes)
    precision = description.get("precision", "float32")
    for name, difference in differences.items():
        if precision == "float32" and not difference <= FLOAT32_TOLERANCE:
            failures.append(
                f"{directory}: {name} differs from the checkpoint's by up to "
                f"{difference:g}; at most {FLOAT32_TOLERANCE:g} is allowed."
            )
    count, unanswered = _warm_up(served, directory)
    outcomes, broken = _provoke(served, trained, takes)
    return {
        "saved_model": os.fspath(directory),
        "step": description["step"],
        "task": description["task"]["name"],
        "signatures": sorted(takes),
        "max_abs_diff": differences,
        "warmup_requests": count,
        "invalid_requests": outcomes,
        "failures": failures + unanswered + broken,
    }


def lines(report: Mapping[str, Any]) -> list[str]:
    """Returns what `check` returned as lines of text."""
    shown = [f"Signatures: {', '.join(report['signatures'])}"]
    shown += [
        f"  {name}: differs from the checkpoint by up to {difference:.2e}"
        for name, difference in report["max_abs_diff"].items()
    ]
    shown.append(f"Warm-up requests answered: {report['warmup_requests']}")
    shown.append(f"Invalid requests: {len(report['invalid_requests'])}")
    shown += [
        f"  {entry['signature']}: {entry['what']}: {entry['outcome']:.100}"
        for entry in report["invalid_requests"]
    ]
    return shown


def _compare(
    served: Served, trained: TrainedModel, takes: Mapping[str, Any]
) -> dict[str, float]:
    """Returns how far each signature's numbers are from the checkpoint's."""
    keras = KerasBackend(trained.task.serve_ids(trained.model).function)
    differences = dict.fromkeys(_OF_IDS, 0.0)
    for ids in _random_ids(trained):
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
        for name, request in requests.items():
            found, _ = served.call(name, request)
            difference = _difference(found, expected)
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
        differences[name] = _difference(served.call(name, arrays)[0], expected)
    return differences


def _real(name: str, ids: Mapping[str, np.ndarray], row: int) -> int:
    if name not in WITH_INPUT_IDS or "input_mask" not in ids:
        return ids[name].shape[1]
    return int(ids["input_mask"][row].sum())


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
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


def _random_ids(trained: TrainedModel) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of ids of several sizes, rows of several lengths."""
    rng = np.random.default_rng(_SEED)
    config = trained.folder.config
    longest = trained.max_seq_length
    for rows in _ROWS:
        length = int(rng.integers(3, longest + 1)) if rows > 1 else longest
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
            values.setdefault(name, rng.integers(0, 3, [rows, 2]).astype(np.int32))
        yield {name: value for name, value in values.items() if name in names}


def _warm_up(served: Served, directory: Path) -> tuple[int, list[str]]:
    """Sends the warm-up requests; returns their number and what failed."""
    path = directory / EXTRA_ASSETS / warmup.FILE_NAME
    if not path.is_file():
        return 0, []
    records = list(read_records(path))
    failures = []
    if len(records) > warmup.MAX_RECORDS:
        failures.append(f"{path}: more than the {warmup.MAX_RECORDS} that are read.")
    for number, record in enumerate(tqdm(records, desc="Warming up", unit="request")):
        signature, inputs = prediction_log.decode(record)
        try:
            outputs, _ = served.call(signature, inputs)
        except RefusedRequestError as error:
            failures.append(f"{path}: record {number}: {error}")
        else:
            if not _is_finite(outputs):
                failures.append(f"{path}: record {number}: answered by a NaN.")
    return len(records), failures


def _provoke(
    served: Served, trained: TrainedModel, takes: Mapping[str, Any]
) -> tuple[list[dict[str, str]], list[str]]:
    """Sends invalid requests.

    Returns:
        What became of each, and what should not have happened.
    """
    valid = {
        signature: {name: np.array(v, takes[signature][name]) for name, v in r.items()}
        for signature, r in sample_requests.for_signatures(
            {name: list(types) for name, types in takes.items()},
            lambda names: sample_requests.example(
                names,
                trained.folder.vocabulary,
                trained.max_seq_length,
                masked=trained.task.name == "pretraining",
            ),
        ).items()
    }
    before = {name: served.call(name, request)[0] for name, request in valid.items()}
    outcomes, failures = [], []
    requests = [
        h for name in sorted(valid) for h in hostile_requests(name, valid[name])
    ]
    for request in tqdm(requests, desc="Provoking", unit="request"):
        try:
            outputs, _ = served.call(request.signature, request.inputs)
        except RefusedRequestError as error:
            outcome = f"refused: {str(error).partition(request.signature + ': ')[2]}"
        else:
            outcome = "answered"
            if not _is_finite(outputs):
                outcome = "answered by a NaN"
                failures.append(f"{request.signature}: {request.what}: {outcome}.")
        outcomes.append(
            {"signature": request.signature, "what": request.what, "outcome": outcome}
        )
    for name, request in valid.items():
        if _difference(served.call(name, request)[0], before[name]) > FLOAT32_TOLERANCE:
            failures.append(f"{name}: another answer after the invalid requests.")
    return outcomes, failures


def _is_finite(outputs: Mapping[str, np.ndarray]) -> bool:
    return all(
        np.isfinite(value).all()
        for value in outputs.values()
        if value.dtype.kind == "f"
    )
