"""Checks a SavedModel as a server meets it: what it takes, answers and refuses."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bert_tf.checkpoints.model_folder import ModelFolder
from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json
from bert_tf.storage.tfrecord import read_records
from export.check.backends import RefusedRequestError
from export.check.comparison import FLOAT32_TOLERANCE
from export.checkpoint import pretrained
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import prediction_log, sample_requests, serving_ops, warmup
from export.saved_model.hostile_requests import hostile_requests
from export.saved_model.saving import EXTRA_ASSETS
from export.saved_model.served_differences import (
    OF_IDS,
    Served,
    differences_by_signature,
    largest_difference,
)


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


def load_as_exported(folder: ModelFolder, directory: Path) -> TrainedModel:
    """Returns a checkpoint's model with the settings of an export.

    And with its length, if it takes no other: held-out examples may be longer than the
    texts that it reads.

    Args:
        folder: the checkpoint.
        directory: the SavedModel.
    """
    description = description_of(directory)
    static = description.get("static_batch_size") is not None
    length = description["max_seq_length"] if static else None
    return pretrained.load(folder, length, **description["task"]["settings"])


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
    with_text = set(names) > set(OF_IDS)
    failures = []
    try:
        serving_ops.check(directory, with_text=with_text)
    except InputError as error:
        failures.append(str(error))
    takes, shapes = warmup.input_types(directory), warmup.input_shapes(directory)
    if set(takes) != set(names):
        failures.append(
            f"{directory}: its signatures are {sorted(takes)}, but export.json says "
            f"{sorted(names)}."
        )
    differences = differences_by_signature(served, trained, takes, shapes)
    precision = description.get("precision", "float32")
    for name, difference in differences.items():
        if precision == "float32" and not difference <= FLOAT32_TOLERANCE:
            failures.append(
                f"{directory}: {name} differs from the checkpoint's by up to "
                f"{difference:g}; at most {FLOAT32_TOLERANCE:g} is allowed."
            )
    count, unanswered = _warm_up(served, directory)
    outcomes, broken = _provoke(served, trained, takes, shapes)
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
    served: Served,
    trained: TrainedModel,
    takes: Mapping[str, Any],
    shapes: Mapping[str, Mapping[str, Sequence[int | None]]],
) -> tuple[list[dict[str, str]], list[str]]:
    """Sends invalid requests.

    Returns:
        What became of each, and what should not have happened.
    """
    valid = {
        signature: {
            name: np.array(value, takes[signature][name])
            for name, value in sample_requests.fit(r, shapes[signature]).items()
        }
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
        if (
            largest_difference(served.call(name, request)[0], before[name])
            > FLOAT32_TOLERANCE
        ):
            failures.append(f"{name}: another answer after the invalid requests.")
    return outcomes, failures


def _is_finite(outputs: Mapping[str, np.ndarray]) -> bool:
    return all(
        np.isfinite(value).all()
        for value in outputs.values()
        if value.dtype.kind == "f"
    )
