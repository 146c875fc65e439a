"""The training loop.

`strategy.run` over several steps a call, and between the calls: a line of metrics, an
evaluation, a checkpoint, or the end. All of it happens at steps that are functions of
the configuration alone, so a run that was killed goes on as if nothing had been.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.workdir import checkpoint_path
from bert_tf.data.input_pipeline import Prefetcher
from bert_tf.errors import InputError
from bert_tf.ops.compiled import has_accelerator
from bert_tf.storage.json_files import finite_values
from bert_tf.tasks.task import Task
from bert_tf.training import step as training_step
from bert_tf.training.clock import Clock
from bert_tf.training.config import RunConfig
from bert_tf.training.distribution import Devices
from bert_tf.training.metrics_log import MetricsLog
from bert_tf.training.phase import CallData, Intervals, Phase
from bert_tf.training.preemption import PREEMPTED, Preemption
from bert_tf.training.reported_numbers import row_names
from bert_tf.training.state import Checkpoints, TrainingState


@dataclasses.dataclass
class Run:
    """Everything that lives as long as a run's process.

    Attributes:
        config: how to train.
        devices: what this process has of the replicas.
        model: the model.
        checkpoints: where its states are kept.
        state: where the run stands.
        log: the chief's metrics; None in other processes.
        preemption: whether SIGTERM has come.
    """

    config: RunConfig
    devices: Devices
    model: keras.Model
    checkpoints: Checkpoints
    state: TrainingState
    log: MetricsLog | None
    preemption: Preemption

    @property
    def stopped_early(self) -> bool:
        """Whether the evaluations of the phase have stopped getting better."""
        patience = self.config.early_stopping_evaluations
        return 0 < patience <= self.state.evaluations_since_best

    def save(self, phase: Phase) -> None:
        """Writes a checkpoint, in the chief."""
        if self.devices.is_chief:
            if self.log is not None:
                self.log.sync()
            self.state.num_replicas = self.devices.num_replicas
            self.checkpoints.save(
                self.state, phase.task.description, self.model, phase.optimizer
            )


class TrainingStopped(InputError):
    """Training cannot go on; the message says why and what to do."""


class LossNotFinite(TrainingStopped):
    """The loss or a gradient is NaN or infinite; it would be again."""


def train_phase(run: Run, phase: Phase) -> None:
    """Trains from `run.state.step` to the end of a phase, or until it stops early.

    Raises:
        LossNotFinite: a loss was not finite.
        InputError: there is no such metric as the task's best one.
        SystemExit: SIGTERM came, and the state is saved; the code is `PREEMPTED`.
    """
    config, state = run.config, run.state
    train = _build_train_function(run, phase)
    names = row_names(phase.task)
    intervals = Intervals(
        log=config.log_interval,
        save=config.checkpoint_interval,
        evaluate=[evaluator.interval for evaluator in phase.evaluators],
        steps_per_call=config.steps_per_call,
        profile_step=config.profile_step,
    )
    read = functools.partial(phase.read, steps_per_call=config.steps_per_call)
    clock = Clock()
    with Prefetcher(read, intervals.plan(state.step, phase.last_step)) as inputs:
        for data in inputs:
            call = data.call
            with _profiling(run) if call.profile else contextlib.nullcontext():
                rows, applied, loss_scale = train(_inputs(run, data))
                table = dict(zip(names, rows.numpy().T.astype(np.float64), strict=True))
            state.step += int(applied)
            state.loss_scale = loss_scale.numpy().tolist()
            if state.step < call.steps.stop:
                raise _stopped(run, phase, call.steps, table)
            state.damaged_records += int(table["damaged_records"][-1])
            _add_to_window(state, table)
            tokens = float(table["tokens"].sum())
            state.seconds += clock.lap(data.num_examples, tokens, inputs.seconds_waited)

            if call.log:
                _write_metrics(run, phase.task, clock)
            for number in call.evaluate:
                _evaluate(run, phase, number)
                clock.resume()
            stop_requested = table["stop_requested"][-1] > 0
            is_best = state.best_step == state.step
            if call.save or is_best or stop_requested or run.stopped_early:
                run.save(phase)
                clock.resume()
            if stop_requested and state.step < phase.last_step:
                raise SystemExit(PREEMPTED)
            if run.stopped_early:
                return


def _build_train_function(run: Run, phase: Phase) -> Any:
    jit_compile = run.config.jit_compile
    return training_step.build_train_function(
        run.devices.strategy,
        phase.task,
        run.model,
        phase.optimizer,
        training_step.StepSettings(
            seed=run.config.seed,
            max_grad_norm=phase.optimizer_config.max_grad_norm,
            static_micro_batches=phase.static_micro_batches,
            jit_compile=jit_compile == "on"
            or (jit_compile == "auto" and has_accelerator()),
            loss_scaling=run.config.precision == "float16",
        ),
    )


def _inputs(run: Run, data: CallData) -> training_step.CallInputs:
    # `HOST_VALUES` of this process, fed to its first replica.
    host_values = np.zeros([len(run.devices.local_replicas), 2], np.float32)
    host_values[0] = [run.preemption.requested, data.num_damaged]
    steps = data.call.steps
    return training_step.CallInputs(
        batches=run.devices.distribute(data.batches),
        host_values=run.devices.distribute(host_values),
        micro_batches=data.micro_batches,
        learning_rates=data.learning_rates,
        first_step=tf.constant(steps.start, tf.int64),
        num_steps=tf.constant(len(steps)),
        loss_scale=tf.constant(run.state.loss_scale, tf.float32),
    )


@contextlib.contextmanager
def _profiling(run: Run) -> Iterator[None]:
    tf.profiler.experimental.start(str(run.checkpoints.workdir / "profile"))
    try:
        yield
    finally:
        tf.profiler.experimental.stop()


def _evaluate(run: Run, phase: Phase, number: int) -> None:
    """Scores held-out examples; the first set's best step is remembered."""
    values = finite_values(phase.evaluators[number].evaluate())
    state = run.state
    if run.log is not None:
        split = "eval" if number == 0 else f"eval_{number + 1}"
        run.log.write(split, state.step, values)
        run.log.say(f"step {state.step}, held out: {_describe(phase.task, values)}")
    if number:
        return
    state.evaluation, state.evaluation_phase = values, state.phase
    state.evaluation_step = state.step
    metric = phase.task.best.metric
    if metric not in values:
        raise InputError(
            f"`task.best_metric` must be one of {', '.join(values)}. Received: "
            f"{metric!r}"
        )
    if state.step < phase.task.settles_at:
        return
    value = values[metric]
    if value is not None and phase.task.best.is_better(value, state.best_value):
        state.best_value, state.best_step = value, state.step
        state.evaluations_since_best = 0
    else:
        state.evaluations_since_best += 1


def _stopped(
    run: Run, phase: Phase, steps: range, table: Mapping[str, np.ndarray]
) -> LossNotFinite:
    index = run.state.step - steps.start
    run.save(phase)
    values = {name: float(table[name][index]) for name in table if "loss" in name}
    path = checkpoint_path(run.checkpoints.workdir, run.state.step)
    return LossNotFinite(
        f"The loss or gradient of step {run.state.step + 1} is not finite ({values}, "
        f"gradient_norm: {table['gradient_norm'][index]}). The state before it is "
        f"saved as {path}: start a new run from it with --config.init_from and a lower "
        "learning rate."
    )


def _add_to_window(state: TrainingState, table: Mapping[str, np.ndarray]) -> None:
    """Adds a call's rows to what the next line of metrics sums up.

    Steps whose float16 gradient overflowed changed nothing and are counted only.
    """
    whole = np.isfinite(np.stack(list(table.values()))).all(axis=0)
    for name, column in table.items():
        last = name in ("learning_rate", "damaged_records", "stop_requested")
        # Added one by one: the sum must not depend on how steps fell into calls.
        for value in (column if last else column[whole]).tolist():
            state.window[name] = value if last else state.window.get(name, 0.0) + value
    state.window_steps += int(whole.sum())
    overflowed = state.window.get("overflowed_steps", 0.0) + int((~whole).sum())
    state.window["overflowed_steps"] = overflowed


def _write_metrics(run: Run, task: Task, clock: Clock) -> None:
    state = run.state
    window, steps = state.window, state.window_steps
    values = task.summarize(window) if steps else {}
    values["learning_rate"] = window["learning_rate"]
    if steps:
        values["gradient_norm"] = window["gradient_norm"] / steps
    if overflowed := int(window.get("overflowed_steps", 0)):
        values["overflowed_steps"] = overflowed
    if state.damaged_records:
        values["damaged_records"] = state.damaged_records
    rates = clock.rates()
    state.window, state.window_steps = {}, 0
    if run.log is None:
        return
    run.log.write("train", state.step, {**values, **rates})
    text = f"{_describe(task, values)}, lr {values['learning_rate']:.1e}"
    if overflowed:
        text += f", {overflowed} of {steps + overflowed} steps overflowed"
    if rates:
        text += (
            f", {rates['examples_per_second']:.1f} sequences/s, "
            f"{rates['tokens_per_second']:.0f} tokens/s"
        )
    run.log.show(state.step, text)


def _describe(task: Task, values: Mapping[str, float | None]) -> str:
    loss = values.get("loss")
    parts = ["no finite loss" if loss is None else f"loss {loss:.3f}"]
    for name, label in task.shown.items():
        value = values.get(name)
        if value is not None:
            parts.append(f"{label} {value:.3f}")
    return ", ".join(parts)
