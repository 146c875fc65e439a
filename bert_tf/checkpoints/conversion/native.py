"""Our own model folders, `bert_tf.checkpoints.workdir`, as one format among the others.

A model folder is always complete, so that every job can open it: what the source of a
conversion lacked gets initial values, `checkpoint.json` lists it, and reading the
folder for another conversion leaves it out again.
"""

import dataclasses
from pathlib import Path
from typing import Any

from bert_tf.checkpoints import quantization_ranges
from bert_tf.checkpoints.added_variables import plain_variables
from bert_tf.checkpoints.conversion import heads
from bert_tf.checkpoints.conversion.model_weights import (
    HuggingFaceSettings,
    ModelWeights,
    collect,
    initial_values,
)
from bert_tf.checkpoints.model_folder import (
    MANIFEST,
    ModelFolder,
    save_model_folder,
)
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_dict


def load(path: Path) -> ModelWeights:
    """Reads a model folder, or a training workdir's newest checkpoint."""
    folder = resolve_checkpoint(path)
    new = set(folder.metadata.get("newly_initialised", []))
    task = folder.task
    if "task" in folder.metadata:
        task = heads.of_earlier_version(
            folder.metadata["task"],
            folder.metadata.get("labels", ()),
            str(folder.path / MANIFEST),
        )
    arrays = {
        name: array
        for name, array in plain_variables(folder.variables).items()
        if name not in new
    }
    left_over: dict[str, tuple[int, ...]] = {}
    if task.settings.get("norm_first"):
        # None of google-research/bert's: its embeddings have no LayerNorm.
        variables = dict(arrays)
    else:
        variables, left_over = collect(
            str(folder.path), folder.config, arrays, task.name
        )
    if task.name != "pretraining":
        # A head may have more variables than other programs' heads have.
        variables |= {name: arrays[name] for name in left_over}
        left_over = {}
    if "task" in folder.metadata:
        task = heads.describe(task.name, variables, stated=task)
    return ModelWeights(
        format="native",
        config=folder.config,
        variables=variables,
        vocabulary=folder.vocabulary,
        task=task,
        hugging_face=from_dict(
            HuggingFaceSettings,
            folder.metadata.get("hugging_face", {}),
            source=f"{folder.path / MANIFEST}: metadata.hugging_face",
        ),
        history=_history(folder),
        ranges=quantization_ranges.from_variables(folder.path, folder.variables),
        source_names={name: name for name in variables},
        left_over=left_over,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes a model folder into an empty folder.

    Returns:
        Names of variables that were newly initialized.

    Raises:
        InputError: the weights come without a vocabulary.
    """
    if weights.vocabulary is None:
        raise InputError(
            "The source has no vocabulary, and a model folder is nothing without. "
            "Name it with --vocab_file."
        )
    missing = {} if weights.task.settings.get("norm_first") else weights.missing
    new = initial_values(missing, weights.config, seed=0)
    metadata: dict[str, Any] = {"newly_initialised": list(new)}
    if weights.history:
        metadata["history"] = weights.history
    if not weights.hugging_face.is_default:
        metadata["hugging_face"] = dataclasses.asdict(weights.hugging_face)
    save_model_folder(
        folder,
        config=weights.config,
        variables=weights.variables
        | new
        | quantization_ranges.to_variables(weights.ranges),
        vocabulary=weights.vocabulary,
        task=weights.task,
        metadata=metadata,
    )
    return list(new)


def _history(folder: ModelFolder) -> list[str]:
    found = folder.metadata.get("history", [])
    if not (isinstance(found, list) and all(isinstance(step, str) for step in found)):
        raise InputError(
            f"{folder.path / MANIFEST}: metadata.history must be a list of sentences. "
            f"Received: {found!r:.80}"
        )
    return found
