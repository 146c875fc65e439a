"""The training loop.

`strategy.run` over several steps a call, and between the calls: a line of metrics, an
evaluation, a checkpoint, or the end. All of it happens at steps that are functions of
the configuration alone, so a run that was killed goes on as if nothing had been.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.workdir import checkpoint_path
from bert_tf.config import BertConfig
from bert_tf.data.input_pipeline import Prefetcher
from bert_tf.errors import InputError
from bert_tf.storage.json_files import finite_values
from bert_tf.tasks import metrics
from bert_tf.tasks.task import Task
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import state as training_state
from bert_tf.training import step as training_step
from bert_tf.training.clock import Clock
from bert_tf.training.config import RunConfig
from bert_tf.training.distribution import Topology, has_accelerator
from bert_tf.training.evaluation import HeldOutSet
from bert_tf.training.metrics_log import MetricsLog
from bert_tf.training.phase import Phase, plan_calls
from bert_tf.training.preemption import PREEMPTED, Preemption
from bert_tf.training.state import TrainingState


@dataclasses.dataclass
class Run:
    """Everything that lives as long as a run's process.

    Attributes:
        config: how to train.
        model_config: the model's shape, for checkpoints.
        workdir: where checkpoints and metrics go.
        strategy: distributes the work.
        topology: what this process has of it.
        task: the losses.
        model: the model.
        optimizer: the optimiser of the current phase.
        vocabulary: of the data.
        state: where the run stands.
        log: the chief's metrics; None in other processes.
        num_train_steps: steps of all phases.
        preemption: whether SIGTERM has come.
    """

    config: RunConfig
    model_config: BertConfig
    workdir: Path
    strategy: tf.distribute.Strategy
    topology: Topology
    task: Task
    model: keras.Model
    optimizer: Any
    vocabulary: Vocabulary
    state: TrainingState
    log: MetricsLog | None
    num_train_steps: int
    preemption: Preemption

    @property
    def stopped_early(self) -> bool:
        """Whether evaluations have stopped getting better."""
        patience = self.config.early_stopping_evaluations
        return 0 < patience <= self.state.evaluations_since_best

    def save(self) -> None:
        """Writes a checkpoint, in the chief."""
        if self.topology.is_chief:
            if self.log is not None:
                self.log.sync()
            self.state.num_replicas = self.topology.num_replicas
            training_state.save(
                self.workdir,
                self.state,
                config=self.model_config,
                model=self.model,
                optimizer=self.optimizer,
                vocabulary=self.vocabulary,
                keep=self.config.keep_checkpoints,
            )

    def distribute(self, arrays: Any) -> Any:
        """Turns arrays `[local replicas, ...]` into per-replica tensors."""
        first = self.topology.local_replicas.start

        def own(context: tf.distribute.experimental.ValueContext) -> Any:
            index = context.replica_id_in_sync_group - first
            return tf.nest.map_structure(lambda a: tf.constant(a[index]), arrays)

        return self.strategy.experimental_distribute_values_from_function(own)


class TrainingStopped(InputError):
    """Training cannot go on; the message says why and what to do."""


def train_phase(run: Run, phase: Phase) -> None:
    """Trains from `run.state.step` to the end of a phase, or until it stops early.

    Raises:
        TrainingStopped: a loss was not finite.
        SystemExit: SIGTERM came, and the state is saved; the code is `PREEMPTED`.
    """
    config, state = run.config, run.state
    train = training_step.build_train_function(
        run.strategy,
        run.task,
        run.model,
        run.optimizer,
        seed=config.seed,
        max_grad_norm=phase.optimizer.max_grad_norm,
        static_micro_batches=phase.static_micro_batches,
        jit_compile=config.jit_compile == "on"
        or (config.jit_compile == "auto" and has_accelerator()),
        loss_scaling=config.precision == "float16",
    )
    names = training_step.row_names(run.task)
    calls = plan_calls(config, state.step, phase.last_step)
    read = functools.partial(phase.read, steps_per_call=config.steps_per_call)
    clock = Clock()
    with Prefetcher(read, calls) as inputs:
        for steps, batches, micro_batches, learning_rates, damaged in inputs:
            if steps.start <= config.profile_step < steps.stop:
                tf.profiler.experimental.start(str(run.workdir / "profile"))
            rows, applied, loss_scale = train(
                run.distribute(batches),
                run.distribute(_host_values(run, damaged)),
                micro_batches,
                learning_rates,
                tf.constant(steps.start, tf.int64),
                tf.constant(len(steps)),
                tf.constant(state.loss_scale, tf.float32),
            )
            table = dict(zip(names, rows.numpy().T.astype(np.float64), strict=True))
            if steps.start <= config.profile_step < steps.stop:
                tf.profiler.experimental.stop()
            state.step += int(applied)
            state.loss_scale = loss_scale.numpy().tolist()
            _check_finite(run, steps, table)
            state.damaged_records += int(table["damaged_records"][-1])
            _add_to_window(state, table)
            examples = sum(phase.micro_batches(steps)) * phase.reader.micro_batch_size
            tokens = float(table["tokens"].sum())
            state.seconds += clock.lap(examples, tokens, inputs.seconds_waited)

            if state.step % config.log_interval == 0 or state.step == phase.last_step:
                _write_metrics(run, clock)
            ended = state.step == run.num_train_steps
            if phase.held_out and (ended or _due(config.eval_interval, state.step)):
                evaluate(run, phase.held_out)
                clock.resume()
            stop_requested = table["stop_requested"][-1] > 0
            if (
                ended
                or stop_requested
                or run.stopped_early
                or state.best_step == state.step
                or _due(config.checkpoint_interval, state.step)
            ):
                run.save()
                clock.resume()
            if stop_requested and not ended:
                raise SystemExit(PREEMPTED)
            if run.stopped_early:
                return


def evaluate(run: Run, held_out: HeldOutSet) -> None:
    """Scores the held-out examples, and remembers whether it is the best yet."""
    values = finite_values(held_out.evaluate())
    state = run.state
    state.evaluation = values
    loss = values["loss"]
    if loss is not None and (state.best_loss is None or loss < state.best_loss):
        state.best_loss, state.best_step = loss, state.step
        state.evaluations_since_best = 0
    else:
        state.evaluations_since_best += 1
    if run.log is not None:
        run.log.write("eval", state.step, values)
        run.log.say(f"step {state.step}, held out: {_describe(values)}")


def _host_values(run: Run, damaged: int) -> np.ndarray:
    """Returns `HOST_VALUES` of this process, fed to its first replica."""
    values = np.zeros([len(run.topology.local_replicas), 2], np.float32)
    values[0] = [run.preemption.requested, damaged]
    return values


def _check_finite(run: Run, steps: range, table: Mapping[str, np.ndarray]) -> None:
    if run.state.step == steps.stop:
        return
    index = run.state.step - steps.start
    run.save()
    values = {name: float(table[name][index]) for name in table if "loss" in name}
    raise TrainingStopped(
        f"The loss or gradient of step {run.state.step + 1} is not finite ({values}, "
        f"gradient_norm: {table['gradient_norm'][index]}). The state before it is "
        f"saved as {checkpoint_path(run.workdir, run.state.step)}: start a "
        "new run from it with --config.init_from and a lower learning rate."
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


def _write_metrics(run: Run, clock: Clock) -> None:
    state = run.state
    window, steps = state.window, state.window_steps
    values = metrics.summarize(window, run.task.losses) if steps else {}
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
    text = f"{_describe(values)}, lr {values['learning_rate']:.1e}"
    if overflowed:
        text += f", {overflowed} of {steps + overflowed} steps overflowed"
    if rates:
        text += (
            f", {rates['examples_per_second']:.1f} sequences/s, "
            f"{rates['tokens_per_second']:.0f} tokens/s"
        )
    run.log.show(state.step, text)


def _describe(values: Mapping[str, float | None]) -> str:
    loss = values.get("loss")
    parts = ["no finite loss" if loss is None else f"loss {loss:.3f}"]
    for name, label in (("masked_lm", "MLM"), ("next_sentence", "NSP")):
        accuracy = values.get(f"{name}_accuracy")
        if accuracy is not None:
            parts.append(f"{label} accuracy {accuracy:.3f}")
    return ", ".join(parts)


def _due(interval: int, step: int) -> bool:
    return interval > 0 and step % interval == 0
