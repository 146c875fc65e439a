"""Held-out evaluation: every example once, whatever the number of replicas."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bert_tf.data.input_pipeline import Prefetcher
from bert_tf.data.source import ExampleSource, Reader
from bert_tf.tasks.inference import concatenate
from bert_tf.tasks.task import Task
from bert_tf.training.distribution import Devices
from bert_tf.training.eval_step import (
    build_eval_function,
    build_writing_function,
)
from bert_tf.training.reported_numbers import sum_names


class Evaluator:
    """Held-out examples and the function that scores a model on them.

    Args:
        task: the losses and metrics.
        model: the model.
        devices: distribute the evaluation.
        source: the examples, not shuffled.
        replica_batch_size: examples of one replica in one micro-batch.
        max_examples: the first so many are evaluated; 0 for all.
        interval: steps between evaluations; 0 for one at the end of a phase.
    """

    def __init__(
        self,
        task: Task,
        model: Any,
        devices: Devices,
        source: ExampleSource,
        *,
        replica_batch_size: int,
        max_examples: int = 0,
        interval: int = 0,
    ) -> None:
        self.source = source
        self.interval = interval
        self._task = task
        self._devices = devices
        self._names = sum_names(task)
        self._evaluate = build_eval_function(devices.strategy, task, model)
        self._writing = task.writing(source)

        def reader(source: ExampleSource) -> Reader:
            return source.reader(
                replica_batch_size=replica_batch_size,
                num_replicas=devices.num_replicas,
                local_replicas=devices.local_replicas,
            )

        self._reader = reader(source)
        if self._writing is not None:
            self._write = build_writing_function(devices.strategy, self._writing, model)
            self._writing_reader = reader(self._writing.source)
        self._num_positions = source.num_positions(max_examples)

    def evaluate(self) -> dict[str, float]:
        """Returns the held-out metrics: sums, and scores of all examples together."""
        size = self._reader.micro_batch_size
        starts = range(0, self._num_positions, size)
        total = np.zeros(len(self._names))
        collected: list[Mapping[str, np.ndarray]] = []
        with Prefetcher(self._read, starts) as batches:
            for batch in batches:
                sums, predictions = self._evaluate(self._devices.distribute(batch))
                total += sums.numpy()
                collected.append({n: value.numpy() for n, value in predictions.items()})
        sums = dict(zip(self._names, total.tolist(), strict=True))
        names = collected[0] if collected else {}
        predictions = {
            name: concatenate([part[name] for part in collected])[: self._num_positions]
            for name in names
        }
        return {
            **self._task.summarize(sums),
            **self._task.score(self.source, predictions),
            **self._scores_of_writing(),
        }

    def _scores_of_writing(self) -> dict[str, float]:
        """Lets the model write, and returns the scores of that."""
        if self._writing is None:
            return {}
        count, reader = self._writing.source.num_examples, self._writing_reader
        parts = []
        for position in range(0, count, reader.micro_batch_size):
            # What lies beyond the last is written for, too, and left out below.
            read = reader.read(position, 1)
            batch = {name: read[name][:, 0] for name in self._writing.inputs}
            parts.append(self._write(self._devices.distribute(batch)).numpy())
        return self._writing.score(np.concatenate(parts)[:count])

    def _read(self, position: int) -> dict[str, np.ndarray]:
        """Reads a micro-batch of each replica; what lies beyond the last weighs 0."""
        batches = self._reader.read(position, 1)
        positions = self._reader.positions(position, 1)
        real = (positions < self._num_positions).astype(np.float32)
        batches = self._task.leave_out(batches, real)
        return {name: values[:, 0] for name, values in batches.items()}
