"""Tasks that learn something at many places of a sequence: of tokens, of sentences."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from bert_tf.labelled.encoded import IGNORED
from bert_tf.tasks.endpoint import Batch
from bert_tf.tasks.labelled_task import LabelledTask


class PlaceTask(LabelledTask):
    """A task whose loss is a mean over the labels of all places.

    Attributes:
        labels: the feature that holds them, integers `[batch, places]`, `IGNORED` where
            there is none.
    """

    labels: ClassVar[str] = "labels"

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of labels; see `Task`."""
        (loss,) = self.losses
        return {loss: tf.reduce_sum(label_weights(batch[self.labels]))}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        labels = np.where(real[..., None] > 0, batch[self.labels], IGNORED)
        return {**super().leave_out(batch, real), self.labels: labels}


def label_weights(labels: tf.Tensor) -> tf.Tensor:
    """Returns 1.0 for labels, 0.0 where there is none; float32, the same shape."""
    return tf.cast(labels != IGNORED, tf.float32)
