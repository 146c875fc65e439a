"""A model's predictions for all examples of a source, in one process."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.task import Task

BATCH_SIZE = 32
"""How many sequences of `_TOKENS` run at once, unless the caller says otherwise."""

# Matrix products of fewer rows are slower, and the numbers of more no longer fit into
# the processor's caches.
_TOKENS = 64


class Inference:
    """A task's model, traced once for batches of any shape.

    Args:
        task: the task.
        model: its model, with its weights.
    """

    def __init__(self, task: Task, model: keras.Model):
        def predictions(batch: Batch) -> Outputs:
            return task.predictions(task.apply(model, batch), batch)

        self._predictions: Any = tf.function(
            predictions, reduce_retracing=True, autograph=False
        )

    def run(
        self, source: LabelledSource, batch_size: int = BATCH_SIZE
    ) -> dict[str, np.ndarray]:
        """Returns the task's predictions, name -> `[sequences, ...]`.

        Args:
            source: held-out examples.
            batch_size: how many sequences of 64 tokens run at once: more of shorter
                ones, fewer of longer ones.
        """
        parts = []
        for batch in source.batches(batch_size * _TOKENS):
            outputs = self._predictions(
                {name: tf.constant(values) for name, values in batch.items()}
            )
            parts.append({name: value.numpy() for name, value in outputs.items()})
        return {name: concatenate([part[name] for part in parts]) for name in parts[0]}


def concatenate(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Joins batches, whose second axes may be padded to different lengths."""
    if parts[0].ndim < 2:
        return np.concatenate(parts)
    longest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [
            np.pad(
                part,
                [(0, 0), (0, longest - part.shape[1])] + [(0, 0)] * (part.ndim - 2),
            )
            for part in parts
        ]
    )
