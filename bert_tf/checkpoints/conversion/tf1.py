"""TF1 checkpoints as google-research/bert released them.

Reads too a SavedModel, or a TF2 checkpoint, whose variables carry those names.
"""

from pathlib import Path

from bert_tf.checkpoints.conversion import heads, names, side_files
from bert_tf.checkpoints.conversion.model_weights import (
    ModelWeights,
    RenamedArrays,
    collect,
)
from bert_tf.checkpoints.conversion.tf_checkpoint import CheckpointArrays, write_arrays
from bert_tf.errors import InputError

_NAME = "bert_model.ckpt"


def scope(variable_names: list[str]) -> str | None:
    """Returns what stands before `bert/...` in a checkpoint's variable names.

    Args:
        variable_names: all of them.

    Returns:
        "" for released checkpoints, "model/" or the like for some others, None where
        no variable is called `...bert/embeddings/word_embeddings`.
    """
    for name in variable_names:
        if f"/{name}".endswith(f"/{names.WORD_EMBEDDINGS}"):
            return name.removesuffix(names.WORD_EMBEDDINGS)
    return None


def load(folder: Path, arrays: CheckpointArrays) -> ModelWeights:
    """Reads a checkpoint of TF1 names.

    Args:
        folder: where `bert_config.json` and `vocab.txt` stand.
        arrays: the checkpoint.

    Raises:
        InputError: no `bert_config.json`, a damaged file, or weights that don't fit.
    """
    keys = arrays.keys_by_variable_name()
    root = scope(list(keys)) or ""
    side = side_files.read(folder)
    if side.config is None:
        raise InputError(
            f"{folder}: holds no {side_files.CONFIG!r}, without which a TF1 "
            "checkpoint's attention heads are unknown. Put the one that it was "
            "released with there."
        )
    keys_by_name = {name.removeprefix(root): key for name, key in keys.items()}
    task = side.task.name if side.task else heads.task_of_names(keys_by_name)
    variables, left_over = collect(
        str(arrays.prefix), side.config, RenamedArrays(arrays, keys_by_name), task
    )
    source_names = {name: root + name for name in variables}
    variables |= side.variables
    return ModelWeights(
        format="tf1",
        config=side.config,
        variables=variables,
        vocabulary=side.vocabulary,
        task=heads.describe(task, variables, stated=side.task),
        hugging_face=side.hugging_face,
        source_names=source_names,
        left_over=left_over,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes `bert_model.ckpt` and, beside it, configuration and vocabulary.

    Returns:
        Names of variables that were newly initialized: none.
    """
    if weights.config.hidden_act != "gelu":
        weights.notes.append(
            "google-research/bert's own code knows only the tanh GELU and will refuse "
            f"this bert_config.json's hidden_act {weights.config.hidden_act!r}."
        )
    write_arrays(folder / _NAME, weights.shared)
    # Lets `tf.train.latest_checkpoint` and `load_checkpoint` take the folder.
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{_NAME}"\n')
    side_files.write(folder, weights, homeless=weights.homeless)
    return []
