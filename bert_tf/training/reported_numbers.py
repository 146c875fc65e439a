"""The numbers that steps of training and evaluation report, and their order."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from bert_tf.tasks.task import Task


def sum_names(task: Task) -> list[str]:
    """Returns the names of the sums over examples, in order."""
    of_losses = [
        f"{loss}_{part}" for loss in task.losses for part in ("weight", "loss")
    ]
    return [*of_losses, *task.counts, "tokens"]


HOST_VALUES = ("stop_requested", "damaged_records")
"""Numbers that each replica feeds in and gets back summed over all of them."""


def row_names(task: Task) -> list[str]:
    """Returns the names of the numbers that a training step reports, in order."""
    return [*sum_names(task), "gradient_norm", "learning_rate", *HOST_VALUES]


def pack_sums(
    names: Sequence[str],
    task: Task,
    batch: Mapping[str, tf.Tensor],
    sums: Mapping[str, tf.Tensor],
) -> tf.Tensor:
    """Returns the numbers of `sum_names` of a micro-batch, float32, in their order."""
    weights = {f"{name}_weight": w for name, w in task.weights(batch).items()}
    values = {**sums, **weights, "tokens": task.num_tokens(batch)}
    return tf.stack([tf.cast(values[name], tf.float32) for name in names])
