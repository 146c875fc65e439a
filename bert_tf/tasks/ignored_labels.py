"""Labels of tokens or sentences, `IGNORED` where there is none."""

import numpy as np
import tensorflow as tf

from bert_tf.labelled.encoded import IGNORED


def label_weights(labels: tf.Tensor) -> tf.Tensor:
    """Returns 1.0 for labels, 0.0 where there is none; float32, the same shape."""
    return tf.cast(labels != IGNORED, tf.float32)


def without_rows(labels: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Returns labels of which those of some rows are ignored.

    Args:
        labels: integers `[..., batch, length]`.
        real: float32 `[..., batch]`, 0.0 for these rows.
    """
    return np.where(real[..., None] > 0, labels, IGNORED)
