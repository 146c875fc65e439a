"""What a run must remember to go on exactly where it stopped, and how it is stored."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert_tf.checkpoints.model_folder import ModelFolder, save_model_folder
from bert_tf.checkpoints.workdir import (
    checkpoint_path,
    delete_old_checkpoints,
    mark_best,
)
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import named_variables
from bert_tf.models.variables import assign_variables
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass
class TrainingState:
    """Beside the variables and the optimiser's slots, all that a run remembers.

    The position in the data follows from `step`.

    Attributes:
        step: steps done, over all phases.
        window: sums over the steps since the last line of `metrics.jsonl`, by name.
        window_steps: how many steps these are; those whose float16 gradient overflowed
            are not among them.
        loss_scale: of float16, and the steps since it changed.
        best_loss: lowest held-out loss so far; None before the first evaluation.
        best_step: the step it was measured at.
        evaluations_since_best: evaluations after that one.
        evaluation: the last held-out metrics, the run's result so far; None in place
            of a number that is not finite; empty before the first evaluation.
        damaged_records: examples trained on that stand in for a damaged record.
        seconds: time spent training.
        num_replicas: replicas of the process that wrote this.
    """

    step: int = 0
    window: dict[str, float] = dataclasses.field(default_factory=dict)
    window_steps: int = 0
    loss_scale: list[float] = dataclasses.field(default_factory=lambda: [65536.0, 0.0])
    best_loss: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    evaluation: dict[str, float | None] = dataclasses.field(default_factory=dict)
    damaged_records: int = 0
    seconds: float = 0.0
    num_replicas: int = 1


def save(
    workdir: Path,
    state: TrainingState,
    *,
    config: BertConfig,
    model: keras.Model,
    optimizer: Any,
    vocabulary: Vocabulary,
    keep: int,
) -> None:
    """Writes this step's checkpoint, marks it if it is the best, deletes old ones."""
    save_model_folder(
        checkpoint_path(workdir, state.step),
        config=config,
        variables=_arrays(named_variables(model)),
        vocabulary=vocabulary,
        step=state.step,
        metadata={"held_out_loss": state.best_loss, "best_step": state.best_step},
        optimizer=_arrays(optimizer.slots),
        training_state=dataclasses.asdict(state),
        overwrite=True,
    )
    mark_if_best(workdir, state)
    delete_old_checkpoints(workdir, keep)


def mark_if_best(workdir: Path, state: TrainingState) -> None:
    """Marks the checkpoint of this step as the best one if it is.

    Once more after resuming: the run may have been killed before it came to this.
    """
    if state.best_step == state.step > 0:
        mark_best(workdir, state.step)


def restore(
    folder: ModelFolder, *, model: keras.Model, optimizer: Any
) -> TrainingState:
    """Gives model and optimiser the values of a training checkpoint.

    Raises:
        InputError: the folder holds a model but no training state, or another model's.
    """
    if folder.training_state is None or folder.optimizer is None:
        raise InputError(
            f"{folder.path}: holds weights but no training state, so no run goes on "
            "from it. Start one from it with --config.init_from."
        )
    assign_variables(model, folder.variables)
    for name, slot in optimizer.slots.items():
        slot.assign(folder.optimizer[name])
    return TrainingState(**folder.training_state)


def _arrays(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
