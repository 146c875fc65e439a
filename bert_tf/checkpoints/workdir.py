"""A training workdir's checkpoints: the newest that is whole, the best, the old ones.

Each is a model folder, `checkpoints/step-00000400`; the link `checkpoints/best` points
to the one that held-out evaluation picked. Nothing here needs TensorFlow.
"""

import os
import shutil
from pathlib import Path

from absl import logging

from bert_tf.checkpoints.model_folder import MANIFEST, ModelFolder, load_model_folder
from bert_tf.errors import InputError
from bert_tf.storage import scratch

CHECKPOINTS = "checkpoints"
"""The folder of a workdir that holds them."""

_STEP_FOLDER = "step-{:08d}"


def checkpoint_path(workdir: str | os.PathLike[str], step: int) -> Path:
    """Returns the folder of a step's checkpoint, `checkpoints/step-00000400`."""
    return Path(workdir) / CHECKPOINTS / _STEP_FOLDER.format(step)


def run_name(path: str | os.PathLike[str]) -> str:
    """Returns what people call a model: its folder's name.

    Args:
        path: a workdir, which is that folder for its checkpoints, too; or any model.
    """
    found = Path(os.path.abspath(path))
    in_workdir = found.parent.name == CHECKPOINTS
    if in_workdir and (found.name == "best" or found.match("step-*")):
        found = found.parent.parent
    return found.name


def best_path(workdir: str | os.PathLike[str]) -> Path:
    """Returns the link to the best checkpoint, `checkpoints/best`."""
    return Path(workdir) / CHECKPOINTS / "best"


def mark_best(workdir: str | os.PathLike[str], step: int) -> None:
    """Points `checkpoints/best` at a step's checkpoint, in one atomic move."""
    link = best_path(workdir)
    temporary = link.with_name(".best")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(checkpoint_path(workdir, step).name)
    os.replace(temporary, link)


def list_checkpoints(workdir: str | os.PathLike[str]) -> list[Path]:
    """Returns a workdir's finished step checkpoints, oldest first, unverified."""
    return sorted(
        manifest.parent
        for manifest in (Path(workdir) / CHECKPOINTS).glob(f"step-*/{MANIFEST}")
    )


def delete_old_checkpoints(
    workdir: str | os.PathLike[str], step: int, keep: int
) -> None:
    """Deletes all but the newest `keep` checkpoints and the best one.

    What a killed writer left behind goes too. Only a workdir's one writer may call
    this.

    Args:
        workdir: of the run.
        step: the one just saved. A later checkpoint is damaged: the run goes on from
            before it.
        keep: how many of those up to this step stay.
    """
    folder = Path(workdir) / CHECKPOINTS
    newest = checkpoint_path(workdir, step)
    whole = [path for path in list_checkpoints(workdir) if path <= newest]
    kept = {path.name for path in whole[-keep:]}
    kept.add(best_path(workdir).resolve().name)
    scratch.remove_leftovers(folder)
    for path in folder.glob("step-*"):
        if path.name not in kept:
            # The manifest first: a kill in between leaves nothing that looks whole.
            (path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(path)


def newest_checkpoint(workdir: str | os.PathLike[str]) -> ModelFolder | None:
    """Opens a workdir's newest checkpoint that is whole; None where there is none.

    A damaged one is passed over with a warning that says what is wrong with it.

    Raises:
        InputError: there are checkpoints, and every one is damaged.
    """
    candidates = list_checkpoints(workdir)
    for candidate in reversed(candidates):
        try:
            return load_model_folder(candidate)
        except InputError as error:
            logging.warning("Damaged checkpoint, trying the one before it: %s", error)
    if candidates:
        raise InputError(
            f"{workdir}: each of its {len(candidates)} checkpoints is damaged; the "
            "warnings above name the files. Restore one from a copy, or delete "
            "the workdir to start over."
        )
    return None


def resolve_checkpoint(path: str | os.PathLike[str]) -> ModelFolder:
    """Opens what a user calls a checkpoint.

    Args:
        path: a model folder, or a training workdir, whose newest whole checkpoint is
            meant. `WORKDIR/checkpoints/best` is a model folder like any other.

    Raises:
        InputError: nothing there, or nothing whole.
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        return load_model_folder(path)
    folder = newest_checkpoint(path)
    if folder is None:
        raise InputError(
            f"{path}: no checkpoint here. Looked for {MANIFEST!r} (a model folder) and "
            f"'checkpoints/step-*/{MANIFEST}' (a training workdir). Train one with "
            "`python -m bert_tf.run_pretraining`, or convert released weights with "
            "`python -m bert_tf.convert_checkpoint`."
        )
    return folder
