"""A phase of training: its steps, cut into calls, and what each call reads."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.config import DataConfig, OptimizerConfig
from bert_tf.data.example_stream import ExampleStream
from bert_tf.data.input_pipeline import BatchReader
from bert_tf.training import schedules
from bert_tf.training.config import RunConfig
from bert_tf.training.evaluation import HeldOutSet


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of steps on one data set.

    Attributes:
        data: batch sizes.
        optimizer: the optimiser's settings.
        first_step: steps done before the phase.
        last_step: steps done at its end.
        schedule_start: the step from which its learning-rate schedule counts.
        schedule_steps: the length of that schedule.
        stream: the training examples.
        reader: reads their micro-batches.
        held_out: the held-out examples; None without any.
    """

    data: DataConfig
    optimizer: OptimizerConfig
    first_step: int
    last_step: int
    schedule_start: int
    schedule_steps: int
    stream: ExampleStream
    reader: BatchReader
    held_out: HeldOutSet | None

    def micro_batches(self, steps: range) -> list[int]:
        """Returns the number of micro-batches of each step."""
        size = self.reader.micro_batch_size
        counts = (step - self.first_step for step in steps)
        return [schedules.micro_batches(self.data, step, size) for step in counts]

    def learning_rates(self, steps: range) -> list[float]:
        """Returns the learning rate of each step."""
        counts = (step - self.schedule_start for step in steps)
        return [
            schedules.learning_rate(self.optimizer, step, self.schedule_steps)
            for step in counts
        ]

    @property
    def static_micro_batches(self) -> int | None:
        """The number of micro-batches of every step; None if it grows."""
        counts = {self.data.global_batch_size // self.reader.micro_batch_size}
        if self.data.initial_batch_size:
            counts.add(self.data.initial_batch_size // self.reader.micro_batch_size)
        return counts.pop() if len(counts) == 1 else None

    def read(self, steps: range, steps_per_call: int) -> tuple[Any, ...]:
        """Reads the input of a call, padded to the same shape for every call.

        Args:
            steps: the call's.
            steps_per_call: the most that a call has.

        Returns:
            `steps`; the batches, name -> `[local replicas, micro-batches, ...]`; the
            number of micro-batches and the learning rate of each step; and how many
            of the examples stand in for a damaged record.
        """
        counts = self.micro_batches(steps)
        size = self.reader.micro_batch_size
        begin = schedules.examples_before(
            self.data, steps.start - self.first_step, size
        )
        damaged_before = self.stream.num_damaged
        batches = self.reader.read(begin, sum(counts))
        most = steps_per_call * (self.data.global_batch_size // size)
        missing = steps_per_call - len(steps)
        return (
            steps,
            {name: _pad(values, most) for name, values in batches.items()},
            tf.constant(counts + [0] * missing, tf.int32),
            tf.constant(self.learning_rates(steps) + [0.0] * missing, tf.float32),
            self.stream.num_damaged - damaged_before,
        )


def plan_calls(config: RunConfig, step: int, last_step: int) -> Iterator[range]:
    """Yields the steps of each call, none of which runs past what is due between."""
    intervals = [config.log_interval, config.eval_interval, config.checkpoint_interval]
    while step < last_step:
        due = [(step // i + 1) * i for i in intervals if i]
        stop = min(step + config.steps_per_call, last_step, *due)
        yield range(step, stop)
        step = stop


def _pad(values: np.ndarray, micro_batches: int) -> np.ndarray:
    missing = micro_batches - values.shape[1]
    return np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))
