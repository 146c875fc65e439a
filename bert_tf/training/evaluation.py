"""Held-out evaluation: every example once, whatever the number of replicas."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.data.example_stream import ExampleStream
from bert_tf.data.input_pipeline import BatchReader, Prefetcher
from bert_tf.tasks import metrics
from bert_tf.tasks.task import Task
from bert_tf.training import step

_BATCHES_PER_CALL = 10


class HeldOutSet:
    """The held-out examples of a phase and the function that scores them.

    Args:
        strategy: distributes the evaluation.
        task: the losses.
        model: the model.
        stream: the examples, not shuffled.
        reader: reads batches of them.
        max_batches: batches to evaluate; 0 for all.
        distribute: makes per-replica values of `[local replicas, ...]` arrays.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        task: Task,
        model: Any,
        stream: ExampleStream,
        reader: BatchReader,
        *,
        max_batches: int,
        distribute: Callable[[Mapping[str, np.ndarray]], Any],
    ) -> None:
        self._names = step.sum_names(task)
        self._task = task
        self._evaluate: Callable[..., tf.Tensor] = step.build_eval_function(
            strategy, task, model
        )
        self._reader = reader
        self._distribute = distribute
        batches = math.ceil(stream.num_records / reader.micro_batch_size)
        self._num_batches = min(batches, max_batches or batches)
        self._num_records = stream.num_records

    def evaluate(self) -> dict[str, float]:
        """Returns the held-out metrics; see `metrics.summarize`."""
        starts = range(0, self._num_batches, _BATCHES_PER_CALL)
        total = np.zeros(len(self._names))
        calls = Prefetcher(self._read, starts)
        for start, batches in zip(starts, calls, strict=True):
            count = min(_BATCHES_PER_CALL, self._num_batches - start)
            sums = self._evaluate(self._distribute(batches), tf.constant(count))
            total += sums.numpy()
        return metrics.summarize(
            dict(zip(self._names, total.tolist(), strict=True)), self._task.losses
        )

    def _read(self, first_batch: int) -> dict[str, np.ndarray]:
        """Reads the batches of a call; what lies beyond the last record weighs 0."""
        size = self._reader.micro_batch_size
        batches = self._reader.read(first_batch * size, _BATCHES_PER_CALL)
        positions = self._reader.positions(first_batch * size, _BATCHES_PER_CALL)
        real = (positions < self._num_records).astype(np.float32)
        return self._task.leave_out(batches, real)
