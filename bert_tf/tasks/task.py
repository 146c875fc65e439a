"""What the loop asks of a task: pretraining, fine-tuning or distillation."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf


class Task(Protocol):
    """A model's losses as sums, which the loop adds up and divides once.

    Attributes:
        losses: their names. Each is the mean, over all replicas and micro-batches, of
            its sum; the training loss is the sum of these means.
    """

    losses: tuple[str, ...]

    def weights(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns what each loss is divided by, known from the inputs alone.

        Args:
            batch: one replica's micro-batch.

        Returns:
            loss name -> float32 scalar.
        """
        ...

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing, those that only fill it up.

        Args:
            batch: name -> `[..., batch, ...]`.
            real: float32 `[..., batch]`, 0.0 for the rows to leave out.
        """
        ...

    def sums(
        self,
        model: Any,
        batch: Mapping[str, tf.Tensor],
        *,
        training: bool,
        dropout_seed: tf.Tensor | None,
    ) -> dict[str, tf.Tensor]:
        """Runs the model on a micro-batch.

        Args:
            model: the Keras model.
            batch: one replica's micro-batch.
            training: whether gradients and dropout are wanted.
            dropout_seed: int32 `[2]`; None for no dropout.

        Returns:
            `<loss>_loss` and `<loss>_correct` for each loss: float32 scalars.
        """
        ...
