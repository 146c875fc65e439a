"""What an export starts from: a checkpoint, its task and its model."""

import dataclasses
from typing import TYPE_CHECKING, Any

from absl import logging

from bert_tf.checkpoints import quantization_ranges
from bert_tf.checkpoints.added_variables import plain_variables
from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.model_folder import ModelFolder, check_finite
from bert_tf.checkpoints.quantization_ranges import Ranges

if TYPE_CHECKING:
    import keras

    from bert_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A checkpoint, ready to be exported.

    Attributes:
        folder: the checkpoint, without embedding rows beyond the vocabulary.
        task: what it was trained for.
        model: the task's model with the checkpoint's weights, in float32.
        max_seq_length: tokens of the longest sequences that it takes.
        ranges: of activations, if it was trained for int8; empty otherwise.
    """

    folder: ModelFolder
    task: "Task"
    model: "keras.Model"
    max_seq_length: int
    ranges: Ranges = dataclasses.field(default_factory=dict)


def warn_of_int8_training(trained: TrainedModel, made: str) -> None:
    """Says if an export is not the one that a model was trained for.

    Args:
        trained: the checkpoint.
        made: what it becomes.
    """
    if trained.ranges:
        logging.warning(
            "%s was trained for `export_tflite --quantization=int8`. What %s computes "
            "was not simulated in training, whose ranges it leaves out.",
            trained.folder.path,
            made,
        )


def load(
    folder: ModelFolder, max_seq_length: int | None = None, **settings: Any
) -> TrainedModel:
    """Returns a checkpoint's model with its weights.

    Args:
        folder: the checkpoint.
        max_seq_length: see `TaskDescription.checked_max_seq_length`.
        **settings: of the task, in place of those it was trained with; None for those.

    Raises:
        InputError: a length that the model cannot take, a value that is not finite, or
            the checkpoint lacks variables, for instance those of the heads.
    """
    length = folder.task.checked_max_seq_length(
        folder.config.max_position_embeddings, max_seq_length
    )
    # TensorFlow loads here: what is wrong with the arguments is told before.
    from bert_tf.models import assign_variables
    from bert_tf.tasks.catalog import create_task

    if untrained := folder.metadata.get("newly_initialised"):
        logging.warning(
            "%s: %d variables were never trained, the first of them %r: the weights "
            "that were converted lacked them. Outputs that use them mean nothing.",
            folder.path,
            len(untrained),
            untrained[0],
        )
    for name, array in folder.variables.items():
        check_finite(folder.path, name, array)
    ranges = quantization_ranges.from_variables(folder.path, folder.variables)
    folder = resizing.without_surplus_rows(
        dataclasses.replace(folder, variables=plain_variables(folder.variables))
    )
    given = {name: value for name, value in settings.items() if value is not None}
    task = create_task(folder.task.with_settings(**given))
    model = task.create_model(folder.config)
    assign_variables(model, folder.variables)
    return TrainedModel(folder, task, model, length, ranges)


def simulated(trained: TrainedModel) -> TrainedModel:
    """Returns a checkpoint whose model computes as its int8 file does.

    Args:
        trained: a checkpoint that was trained for int8.
    """
    from bert_tf.compression import int8_products
    from bert_tf.models import assign_variables

    model = trained.task.create_model(trained.folder.config)
    assign_variables(model, trained.folder.variables)
    int8_products.simulate(model, trained.ranges)
    return dataclasses.replace(trained, model=model)
