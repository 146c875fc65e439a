"""What a run must remember to go on exactly where it stopped, and how it is stored."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert_tf.checkpoints.model_folder import (
    OPTIMIZER,
    TRAINING_STATE,
    ModelFolder,
    save_model_folder,
)
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.checkpoints.workdir import (
    checkpoint_path,
    delete_old_checkpoints,
    mark_best,
)
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import named_variables
from bert_tf.models.variables import assign_variables
from bert_tf.storage.json_files import from_dict
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass
class TrainingState:
    """Beside the variables and the optimizer's slots, all that a run remembers.

    The position in the data follows from `step`.

    Attributes:
        step: steps done, over all phases.
        phase: the phase that these steps have come to, counted from 0.
        phase_start: the step at which it began.
        window: sums over the steps since the last line of `metrics.jsonl`, by name.
        window_steps: how many steps these are; those whose float16 gradient overflowed
            are not among them.
        loss_scale: of float16, and the steps since it changed.
        best_value: the phase's best value so far of the task's best metric; None before
            its first evaluation.
        best_step: the step of the checkpoint that is marked as the best.
        evaluations_since_best: evaluations after that one.
        evaluation: the last held-out metrics, the run's result so far; None in place
            of a number that is not finite; empty before the first evaluation.
        evaluation_step: the step at which they were measured.
        evaluation_phase: the phase whose held-out examples they were measured on.
        damaged_records: examples trained on that stand in for a damaged record.
        seconds: time spent training.
        num_replicas: replicas of the process that wrote this.
    """

    step: int = 0
    phase: int = 0
    phase_start: int = 0
    window: dict[str, float] = dataclasses.field(default_factory=dict)
    window_steps: int = 0
    loss_scale: list[float] = dataclasses.field(default_factory=lambda: [65536.0, 0.0])
    best_value: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    evaluation: dict[str, float | None] = dataclasses.field(default_factory=dict)
    evaluation_step: int = 0
    evaluation_phase: int = 0
    damaged_records: int = 0
    seconds: float = 0.0
    num_replicas: int = 1


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """A run's checkpoints in its workdir.

    Attributes:
        workdir: the run's folder.
        model_config: the shape of the model.
        vocabulary: of the data.
        keep: how many of the newest stay.
        origin: what they were trained on, as a sentence for people.
    """

    workdir: Path
    model_config: BertConfig
    vocabulary: Vocabulary
    keep: int
    origin: str = ""

    def save(
        self,
        state: TrainingState,
        task: TaskDescription,
        model: keras.Model,
        optimizer: Any,
    ) -> None:
        """Writes this step's checkpoint, marks it if it is the best, deletes old ones.

        Args:
            state: where the run stands.
            task: what the model was trained for.
            model: whose variables are written.
            optimizer: whose slots are.
        """
        measured = state.evaluation if state.evaluation_step == state.step else {}
        save_model_folder(
            checkpoint_path(self.workdir, state.step),
            config=self.model_config,
            variables=_arrays(named_variables(model)),
            vocabulary=self.vocabulary,
            task=task,
            step=state.step,
            metadata={
                "best_value": state.best_value,
                "best_step": state.best_step,
                "origin": self.origin,
                "held_out_metrics": measured,
            },
            optimizer=_arrays(optimizer.slots),
            training_state=dataclasses.asdict(state),
            overwrite=True,
        )
        self.mark_if_best(state)
        delete_old_checkpoints(self.workdir, state.step, self.keep)

    def mark_if_best(self, state: TrainingState) -> None:
        """Marks the checkpoint of this step as the best one if it is.

        Once more after resuming: the run may have been killed before it came to this.
        """
        if state.best_step == state.step > 0:
            mark_best(self.workdir, state.step)


def restore(
    folder: ModelFolder, *, model: keras.Model, optimizer: Any
) -> TrainingState:
    """Gives model and optimizer the values of a training checkpoint.

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
        saved = folder.optimizer.get(name)
        if saved is None or saved.shape != slot.shape:
            raise InputError(
                f"{folder.path / OPTIMIZER}: no `{name}` of shape {tuple(slot.shape)}, "
                "so it is another optimizer's. Go on with the settings that it was "
                "trained with."
            )
        slot.assign(saved)
    values = dict(folder.training_state)
    if "best_loss" in values:  # As versions before 0.2 called it.
        values["best_value"] = values.pop("best_loss")
    return from_dict(TrainingState, values, str(folder.path / TRAINING_STATE))


def _arrays(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
