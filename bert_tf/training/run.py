"""A run of any task from its plan to its end: set-up, phases, what goes wrong."""

import dataclasses
import errno
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from bert_tf.checkpoints.workdir import newest_checkpoint
from bert_tf.config import BatchConfig, BertConfig, OptimizerConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.models.variables import trained_variables
from bert_tf.tasks.task import Task
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import distribution, schedules, state
from bert_tf.training.config import RunConfig
from bert_tf.training.evaluation import Evaluator
from bert_tf.training.loop import Run, TrainingStopped, train_phase
from bert_tf.training.metrics_log import MetricsLog
from bert_tf.training.optimizers import create_optimizer
from bert_tf.training.phase import Phase
from bert_tf.training.preemption import Preemption
from bert_tf.training.state import Checkpoints, TrainingState

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
"""Keras' names of the precisions that a configuration can name."""


@dataclasses.dataclass(frozen=True)
class PhasePlan:
    """What a phase will do.

    Attributes:
        task: what is learned.
        batch: batch sizes.
        num_steps: its steps.
        optimizer: settings of an optimizer whose schedule starts with the phase; None
            to go on with the schedule of the phase before.
        train: the training examples.
        held_out: sets of held-out examples; the first decides which checkpoint is best.
    """

    task: Task
    batch: BatchConfig
    num_steps: int
    optimizer: OptimizerConfig | None
    train: ExampleSource
    held_out: Sequence[ExampleSource] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        config: how to train.
        model_config: the shape of the model.
        workdir: where everything goes.
        vocabulary: of the data.
        phases: one after the other; the first has an optimizer of its own.
        initialize: gives a new model the weights that the run starts from; None for
            random ones.
        origin: what the model is trained on, as a sentence for people.
    """

    config: RunConfig
    model_config: BertConfig
    workdir: Path
    vocabulary: Vocabulary
    phases: Sequence[PhasePlan]
    initialize: Callable[[keras.Model], None] | None
    origin: str = ""


def train_and_evaluate(plan: Plan) -> Run:
    """Trains, or goes on training, to the end of the last phase.

    Raises:
        InputError: the batch does not divide among the replicas, or a checkpoint or an
            example is damaged.
        TrainingStopped: a loss was not finite, another worker is gone, or memory is not
            enough.
        SystemExit: SIGTERM came, and the state is saved.
    """
    with Preemption() as preemption:
        run, optimizer = _build_run(plan, preemption)
        if run.devices.is_chief:
            num_train_steps = sum(phase.num_steps for phase in plan.phases)
            run.log = MetricsLog(plan.workdir, run.state.step, num_train_steps)
        try:
            _train_phases(run, plan, optimizer)
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise TrainingStopped(
                f"Another worker stopped or cannot be reached, after step "
                f"{run.state.step} ({error.message.splitlines()[0]}). Start the same "
                "command on every worker again: the run goes on from its newest "
                "checkpoint."
            ) from error
        except tf.errors.ResourceExhaustedError as error:
            full = os.strerror(errno.ENOSPC)
            if full in error.message:  # TensorFlow itself writes the profile only.
                path = plan.workdir / "profile"
                raise OSError(errno.ENOSPC, full, str(path)) from error
            raise TrainingStopped(
                f"Out of memory, after step {run.state.step}. Give "
                "--config.rematerialize=True, which changes no number, or "
                "--config.accumulation_steps=2 or more, which changes only the dropout "
                "masks: the same run goes on in less memory."
            ) from error
        finally:
            if run.log is not None:
                run.log.close()
    return run


def _build_run(plan: Plan, preemption: Preemption) -> tuple[Run, Any]:
    """Creates devices, model, optimizer and state, in this order.

    A cluster must be set up before TensorFlow does anything else, and variables must
    be created in the strategy's scope.
    """
    config, first = plan.config, plan.phases[0]
    strategy = distribution.create_strategy(config.strategy)
    preemption.listen()
    with strategy.scope():
        model = first.task.create_model(
            plan.model_config,
            seed=config.seed,
            rematerialize=config.rematerialize,
            dtype=POLICIES[config.precision],
        )
        assert first.optimizer is not None
        optimizer = create_optimizer(first.optimizer, trained_variables(model))
    folder = newest_checkpoint(plan.workdir)
    if folder is not None:
        restored = state.restore(folder, model=model, optimizer=optimizer)
    else:
        if plan.initialize is not None:
            plan.initialize(model)
        restored = TrainingState()
    checkpoints = Checkpoints(
        plan.workdir,
        plan.model_config,
        plan.vocabulary,
        config.keep_checkpoints,
        plan.origin,
    )
    devices = distribution.Devices.of(strategy)
    run = Run(config, devices, model, checkpoints, restored, None, preemption)
    if not devices.all_agree(run.state.step):
        raise InputError(
            f"{plan.workdir}: another worker finds another checkpoint than step "
            f"{run.state.step}. Put the workdir where all workers see the same files."
        )
    if run.state.step and devices.is_chief:
        checkpoints.mark_if_best(run.state)
        _explain_resume(run)
    return run, optimizer


def _explain_resume(run: Run) -> None:
    workdir = run.checkpoints.workdir
    logging.info("Going on from step %d of %s.", run.state.step, workdir)
    before, now = run.state.num_replicas, run.devices.num_replicas
    if before != now:
        logging.warning(
            "The run had %d replicas and goes on with %d. The examples of each step "
            "stay the same; sums over replicas are rounded differently, and dropout "
            "differs.",
            before,
            now,
        )


def _train_phases(run: Run, plan: Plan, optimizer: Any) -> None:
    """Trains all phases, from wherever the run stands."""
    for number, phase_plan in enumerate(plan.phases):
        if number > run.state.phase:
            enter_phase(run.state, number, plan.phases[number - 1].num_steps)
        if number and phase_plan.optimizer is not None:
            optimizer = _next_optimizer(run, phase_plan.optimizer, optimizer)
        if number < run.state.phase:
            continue
        last_step = run.state.phase_start + phase_plan.num_steps
        if run.state.step < last_step and not run.stopped_early:
            train_phase(run, _open_phase(run, plan, number, optimizer))
        if run.stopped_early and run.log is not None:
            run.log.say(
                f"Phase {number + 1} of {len(plan.phases)} stopped early at step "
                f"{run.state.step}: {run.state.evaluations_since_best} evaluations "
                f"were no better than that of step {run.state.best_step}."
            )


def enter_phase(state: TrainingState, number: int, steps_before: int) -> None:
    """Moves on to a phase: its held-out examples are others, so is its best."""
    # The phase before may have stopped early, and then ended where the run stands.
    state.phase_start = min(state.step, state.phase_start + steps_before)
    state.phase = number
    state.best_value = None
    state.evaluations_since_best = 0


def _open_phase(run: Run, plan: Plan, number: int, optimizer: Any) -> Phase:
    """Opens the data of a phase and settles its schedule."""
    phases, phase = plan.phases, plan.phases[number]
    devices, config = run.devices, plan.config
    batch_size = _replica_batch_size(phase.batch, config, devices.num_replicas)
    # A phase without an optimizer of its own goes on with the schedule before it.
    start = max(i for i in range(number + 1) if phases[i].optimizer is not None)
    rest = itertools.takewhile(lambda p: p.optimizer is None, phases[start + 1 :])
    settings = phases[start].optimizer
    assert settings is not None
    schedule_steps = phases[start].num_steps + sum(p.num_steps for p in rest)
    if devices.is_chief:
        _warn_of_warmup(settings, schedule_steps)
    return Phase(
        task=phase.task,
        batch=phase.batch,
        optimizer=optimizer,
        optimizer_config=settings,
        first_step=run.state.phase_start,
        num_steps=phase.num_steps,
        schedule_start=sum(p.num_steps for p in phases[start:number]),
        schedule_steps=schedule_steps,
        source=phase.train,
        reader=phase.train.reader(
            replica_batch_size=batch_size,
            num_replicas=devices.num_replicas,
            local_replicas=devices.local_replicas,
            pack=phase.batch.pack_examples,
        ),
        evaluators=[
            Evaluator(
                phase.task.as_evaluated,
                run.model,
                devices,
                source,
                replica_batch_size=batch_size,
                max_examples=config.eval_examples,
                interval=config.eval_interval,
            )
            for source in phase.held_out
        ],
    )


def _warn_of_warmup(config: OptimizerConfig, num_steps: int) -> None:
    warmup = schedules.warmup_steps(config, num_steps)
    if warmup >= num_steps:
        logging.warning(
            "The learning rate never gets to %g: its warm-up takes %s steps, and the "
            "schedule has %s. optimizer.warmup_ratio=0.1 in the configuration makes it "
            "a tenth of them.",
            config.learning_rate,
            f"{warmup:,}",
            f"{num_steps:,}",
        )


def _replica_batch_size(batch: BatchConfig, config: RunConfig, replicas: int) -> int:
    micro_batches = config.accumulation_steps * replicas
    size, rest = divmod(batch.global_batch_size, micro_batches)
    if rest or batch.initial_batch_size % (size * replicas):
        raise InputError(
            "`global_batch_size` must be a multiple of replicas times "
            f"`accumulation_steps` ({replicas} * {config.accumulation_steps}), and "
            "`initial_batch_size` one of the micro-batch that results. Received: "
            f"{batch.global_batch_size} and {batch.initial_batch_size}"
        )
    return size


def _next_optimizer(run: Run, config: OptimizerConfig, before: Any) -> Any:
    """Returns an optimizer of other settings that has the same slots."""
    with run.devices.strategy.scope():
        optimizer = create_optimizer(config, trained_variables(run.model))
    for name, slot in optimizer.slots.items():
        slot.assign(before.slots[name].numpy())
    return optimizer
