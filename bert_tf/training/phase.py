"""A phase of training: its steps, cut into calls, and what each call reads."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf.config import BatchConfig, OptimizerConfig
from bert_tf.data.source import ExampleSource, Reader
from bert_tf.tasks.task import Task
from bert_tf.training import schedules
from bert_tf.training.evaluation import Evaluator


class Call(NamedTuple):
    """The steps of one call of TensorFlow, and what is due after them.

    Attributes:
        steps: counted over all phases.
        log: whether a line of metrics is due.
        evaluate: the evaluators that are due.
        save: whether a checkpoint is due.
        profile: whether the profiler records the call.
    """

    steps: range
    log: bool
    evaluate: tuple[int, ...]
    save: bool
    profile: bool


class CallData(NamedTuple):
    """What a call reads.

    Attributes:
        call: its steps.
        batches: name -> `[local replicas, micro-batches, ...]`, padded to the same
            shape for every call.
        micro_batches: int32 `[steps_per_call]`, of each step.
        learning_rates: float32 `[steps_per_call]`.
        num_examples: examples of all its steps and replicas.
        num_damaged: how many of this process' examples stand in for a damaged record.
    """

    call: Call
    batches: dict[str, np.ndarray]
    micro_batches: tf.Tensor
    learning_rates: tf.Tensor
    num_examples: int
    num_damaged: int


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of steps on one data set.

    Attributes:
        task: what is learned.
        batch: batch sizes.
        optimizer: the optimizer, and the settings it was made from.
        optimizer_config: the settings.
        first_step: steps done before the phase.
        num_steps: its steps.
        schedule_start: steps of the learning-rate schedule that were planned before it.
        schedule_steps: the length of that schedule.
        source: the training examples.
        reader: reads their micro-batches.
        evaluators: score the model; the first decides which checkpoint is best.
    """

    task: Task
    batch: BatchConfig
    optimizer: Any
    optimizer_config: OptimizerConfig
    first_step: int
    num_steps: int
    schedule_start: int
    schedule_steps: int
    source: ExampleSource
    reader: Reader
    evaluators: Sequence[Evaluator]

    @property
    def last_step(self) -> int:
        """Steps done at its end, if it does not stop early."""
        return self.first_step + self.num_steps

    @property
    def static_micro_batches(self) -> int | None:
        """The number of micro-batches of every step; None if it grows."""
        counts = {self.batch.global_batch_size // self.reader.micro_batch_size}
        if self.batch.initial_batch_size:
            counts.add(self.batch.initial_batch_size // self.reader.micro_batch_size)
        return counts.pop() if len(counts) == 1 else None

    def read(self, call: Call, steps_per_call: int) -> CallData:
        """Reads the input of a call.

        Args:
            call: which.
            steps_per_call: the most steps that a call has.
        """
        local = [step - self.first_step for step in call.steps]
        size = self.reader.micro_batch_size
        counts = [schedules.batch_size(self.batch, step) // size for step in local]
        rates = [
            schedules.learning_rate(
                self.optimizer_config, self.schedule_start + step, self.schedule_steps
            )
            for step in local
        ]
        damaged_before = self.source.num_damaged
        position = schedules.examples_before(self.batch, local[0])
        batches = self.reader.read(position, sum(counts))
        most = steps_per_call * (self.batch.global_batch_size // size)
        missing = [0] * (steps_per_call - len(call.steps))
        return CallData(
            call=call,
            batches={name: _pad(values, most) for name, values in batches.items()},
            micro_batches=tf.constant(counts + missing, tf.int32),
            learning_rates=tf.constant(rates + missing, tf.float32),
            num_examples=sum(counts) * size,
            num_damaged=self.source.num_damaged - damaged_before,
        )


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Steps between what happens beside training; 0 for the end of a phase only.

    Attributes:
        log: between lines of metrics.
        save: between checkpoints.
        evaluate: between evaluations, of each evaluator.
        steps_per_call: the most steps of a call.
        profile_step: the step whose call is profiled; -1 for none.
    """

    log: int
    save: int
    evaluate: Sequence[int]
    steps_per_call: int
    profile_step: int = -1

    def plan(self, step: int, last_step: int) -> Iterator[Call]:
        """Yields the calls from a step to the end of its phase.

        None runs past what is due in between, so that what happens at a step does not
        depend on where a run was interrupted.
        """
        intervals = [self.log, self.save, *self.evaluate]
        while step < last_step:
            next_due = [(step // i + 1) * i for i in intervals if i]
            stop = min(step + self.steps_per_call, last_step, *next_due)
            ends = stop == last_step
            yield Call(
                steps=range(step, stop),
                log=ends or _is_due(self.log, stop),
                evaluate=tuple(
                    number
                    for number, interval in enumerate(self.evaluate)
                    if ends or _is_due(interval, stop)
                ),
                save=ends or _is_due(self.save, stop),
                profile=step <= self.profile_step < stop,
            )
            step = stop


def _is_due(interval: int, step: int) -> bool:
    return interval > 0 and step % interval == 0


def _pad(values: np.ndarray, micro_batches: int) -> np.ndarray:
    missing = micro_batches - values.shape[1]
    return np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))
