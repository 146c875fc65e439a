"""What an export starts from: a checkpoint, its model, its sequence lengths."""

from typing import TYPE_CHECKING

from absl import logging

from bert_tf.checkpoints.model_folder import ModelFolder
from bert_tf.config import DataConfig
from bert_tf.errors import InputError
from bert_tf.training.config import PretrainingConfig

if TYPE_CHECKING:
    from bert_tf.models import BertPretrainer

DEFAULT_MAX_PREDICTIONS = 20


def load_model(folder: ModelFolder) -> "BertPretrainer":
    """Returns the checkpoint's model with its weights, in float32.

    Raises:
        InputError: the checkpoint lacks variables, for instance those of the heads.
    """
    from bert_tf.models import BertPretrainer, assign_variables  # loads TensorFlow

    if untrained := folder.metadata.get("newly_initialised"):
        logging.warning(
            "%s: %d variables were never trained, the first of them %r: the weights "
            "that were converted lacked them. Outputs that use them mean nothing.",
            folder.path,
            len(untrained),
            untrained[0],
        )
    model = BertPretrainer(folder.config)
    assign_variables(model, folder.variables)
    return model


def sequence_lengths(
    folder: ModelFolder,
    max_seq_length: int | None = None,
    max_predictions_per_seq: int | None = None,
) -> tuple[int, int]:
    """Returns how long the sequences of an export are.

    Args:
        folder: the checkpoint.
        max_seq_length: the user's wish; None for the length that the training run of
            this checkpoint ended with, or, without a run (converted weights), for the
            length of the model's position table.
        max_predictions_per_seq: likewise; 20 without a run.

    Raises:
        InputError: a length that the model cannot take.
    """
    data = _run_data(folder)
    if max_seq_length is None:
        max_seq_length = (
            data.max_seq_length if data else folder.config.max_position_embeddings
        )
    if max_predictions_per_seq is None:
        max_predictions_per_seq = min(
            data.max_predictions_per_seq if data else DEFAULT_MAX_PREDICTIONS,
            max_seq_length,
        )
    positions = folder.config.max_position_embeddings
    if not 3 <= max_seq_length <= positions:
        raise InputError(
            "`max_seq_length` must be at least 3 and at most the model's "
            f"`max_position_embeddings`, {positions}. Received: {max_seq_length}"
        )
    if not 1 <= max_predictions_per_seq <= max_seq_length:
        raise InputError(
            "`max_predictions_per_seq` must be at least 1 and at most "
            f"`max_seq_length`, {max_seq_length}. Received: {max_predictions_per_seq}"
        )
    return max_seq_length, max_predictions_per_seq


def _run_data(folder: ModelFolder) -> DataConfig | None:
    """Returns the last phase's data of the run that wrote the checkpoint."""
    path = folder.path.resolve().parents[1] / "config.json"
    if not path.is_file():
        return None
    return PretrainingConfig.from_json_file(path).phases[-1].data
