"""Pretraining from a configuration: checks, set-up, phases, report."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from bert_tf.checkpoints.workdir import newest_checkpoint
from bert_tf.config import DataConfig
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.input_pipeline import BatchReader, open_examples, pretraining_reader
from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer, named_variables
from bert_tf.reporting import summary
from bert_tf.tasks.pretraining import PretrainingTask
from bert_tf.training import distribution, state
from bert_tf.training.config import PretrainingConfig
from bert_tf.training.evaluation import HeldOutSet
from bert_tf.training.init_from import initialize
from bert_tf.training.loop import Run, TrainingStopped, train_phase
from bert_tf.training.metrics_log import MetricsLog
from bert_tf.training.optimizers import create_optimizer
from bert_tf.training.phase import Phase
from bert_tf.training.preemption import Preemption
from bert_tf.training.preparation import PhaseData, PreparedRun
from bert_tf.training.state import TrainingState

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}

# Below this share of tokens in the rows, several examples a row are worth a hint.
_PACKING_PAYS = 0.8


def train_and_evaluate(prepared: PreparedRun) -> None:
    """Runs pretraining, or goes on with it, to its end.

    Args:
        prepared: what `preparation.prepare` returned.

    Raises:
        InputError: the batch does not divide among the replicas, or a checkpoint or a
            record is damaged.
        TrainingStopped: a loss was not finite, another worker is gone, or memory is not
            enough.
        SystemExit: SIGTERM came, and the state is saved.
    """
    with Preemption() as preemption:
        run = _build_run(prepared, preemption)
        if run.topology.is_chief:
            run.log = MetricsLog(run.workdir, run.state.step, run.num_train_steps)
        try:
            _train_phases(run, prepared)
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise TrainingStopped(
                f"Another worker stopped or cannot be reached, after step "
                f"{run.state.step} ({error.message.splitlines()[0]}). Start the same "
                "command on every worker again: the run goes on from its newest "
                "checkpoint."
            ) from error
        except tf.errors.ResourceExhaustedError as error:
            raise TrainingStopped(
                f"Out of memory, after step {run.state.step}. Give "
                "--config.accumulation_steps=2 or more, or "
                "--config.rematerialize=True: the same run goes on, with the same "
                "numbers in less memory."
            ) from error
        finally:
            if run.log is not None:
                run.log.close()
    if run.topology.is_chief:
        summary.write(run, prepared.data[-1])


def _build_run(prepared: PreparedRun, preemption: Preemption) -> Run:
    """Creates devices, model, optimiser and state, in this order.

    A cluster must be set up before TensorFlow does anything else, and variables must
    be created in the strategy's scope.
    """
    config = prepared.config
    strategy = distribution.create_strategy(config.strategy)
    preemption.listen()
    with strategy.scope():
        model = BertPretrainer(
            config.model,
            seed=config.seed,
            rematerialize=config.rematerialize,
            dtype=_POLICIES[config.precision],
        )
        optimizer = create_optimizer(config.optimizer, named_variables(model))
    objective = prepared.data[0].train.parameters.objective
    run = Run(
        config=config,
        model_config=config.model,
        workdir=prepared.workdir,
        strategy=strategy,
        topology=distribution.topology(strategy),
        task=PretrainingTask(sentence_pairs=objective != "none"),
        model=model,
        optimizer=optimizer,
        vocabulary=prepared.vocabulary,
        state=_initial_state(prepared, model, optimizer),
        log=None,
        num_train_steps=sum(phase.num_train_steps for phase in config.phases),
        preemption=preemption,
    )
    if not distribution.agree(strategy, run.state.step):
        raise InputError(
            f"{run.workdir}: another worker finds another checkpoint than step "
            f"{run.state.step}. Put the workdir where all workers see the same files."
        )
    if run.state.step and run.topology.is_chief:
        state.mark_if_best(run.workdir, run.state)
        _explain_resume(run)
    return run


def _train_phases(run: Run, prepared: PreparedRun) -> None:
    """Trains all phases, from wherever the run stands."""
    first_step = 0
    for number, phase_data in enumerate(prepared.data):
        last_step = first_step + phase_data.config.num_train_steps
        if run.state.step < last_step and not run.stopped_early:
            phase = _open_phase(run, prepared.config, prepared.data, number, first_step)
            train_phase(run, phase)
        first_step = last_step


def _initial_state(
    prepared: PreparedRun, model: keras.Model, optimizer: Any
) -> TrainingState:
    config = prepared.config
    folder = newest_checkpoint(prepared.workdir)
    if folder is not None:
        return state.restore(folder, model=model, optimizer=optimizer)
    if config.init_from:
        done = initialize(model, config.model, prepared.vocabulary, config.init_from)
        logging.info(
            "%s gives %d variables; newly initialised: %s",
            config.init_from,
            len(done.assigned),
            done.missing or "none",
        )
    return TrainingState()


def _explain_resume(run: Run) -> None:
    logging.info("Going on from step %d of %s.", run.state.step, run.workdir)
    before, now = run.state.num_replicas, run.topology.num_replicas
    if before != now:
        logging.warning(
            "The run had %d replicas and goes on with %d. The examples of each step "
            "stay the same; sums over replicas are rounded differently, and dropout "
            "differs.",
            before,
            now,
        )


def _open_phase(
    run: Run,
    config: PretrainingConfig,
    data: Sequence[PhaseData],
    number: int,
    first_step: int,
) -> Phase:
    """Opens the data of a phase and settles its schedule."""
    phase = data[number].config
    replicas = run.topology.num_replicas
    micro_batches = config.accumulation_steps * replicas
    batch_size, rest = divmod(phase.data.global_batch_size, micro_batches)
    if rest or phase.data.initial_batch_size % (batch_size * replicas):
        raise InputError(
            "`global_batch_size` must be a multiple of replicas times "
            f"`accumulation_steps` ({replicas} * {config.accumulation_steps}), and "
            "`initial_batch_size` one of the micro-batch that results. Received: "
            f"{phase.data.global_batch_size} and {phase.data.initial_batch_size}"
        )

    def reader(
        directory: str, stream: Any, info: DatasetInfo, *, pack: bool = False
    ) -> BatchReader:
        return pretraining_reader(
            directory,
            stream,
            info,
            pack=pack,
            num_replicas=replicas,
            local_replicas=run.topology.local_replicas,
            replica_batch_size=batch_size,
        )

    if run.topology.is_chief and config.strategy != "tpu":
        _suggest_packing(phase.data, data[number].train)
    stream = open_examples(
        phase.data.train_dir,
        data[number].train,
        seed=config.seed + number,
        skip_damaged_records=phase.data.skip_damaged_records,
    )
    held_out = None
    eval_info = data[number].eval
    if eval_info is not None:
        eval_stream = open_examples(phase.data.eval_dir, eval_info, seed=None)
        held_out = HeldOutSet(
            run.strategy,
            run.task,
            run.model,
            eval_stream,
            reader(phase.data.eval_dir, eval_stream, eval_info),
            max_batches=config.eval_batches,
            distribute=run.distribute,
        )
    # A phase without an optimiser of its own goes on with the schedule before it.
    start = number if phase.optimizer else 0
    end = number + 1
    while end < len(data) and data[end].config.optimizer is None:
        end += 1
    optimizer = phase.optimizer or config.optimizer
    if number and phase.optimizer:
        run.optimizer = _next_optimizer(run, phase.optimizer)
    return Phase(
        data=phase.data,
        optimizer=optimizer,
        first_step=first_step,
        last_step=first_step + phase.num_train_steps,
        schedule_start=first_step if start == number else 0,
        schedule_steps=sum(d.config.num_train_steps for d in data[start:end]),
        stream=stream,
        reader=reader(
            phase.data.train_dir,
            stream,
            data[number].train,
            pack=phase.data.pack_examples,
        ),
        held_out=held_out,
    )


def _suggest_packing(data: DataConfig, info: DatasetInfo) -> None:
    fill_rate = info.statistics.get("fill_rate", 1.0)
    if fill_rate < _PACKING_PAYS and not data.pack_examples:
        logging.info(
            "%s: %.0f %% of the examples' places are padding. pack_examples=True in "
            "the configuration of the data puts several examples in a row: steps up "
            "to %.1f times as fast.",
            data.train_dir,
            100 * (1 - fill_rate),
            1 / fill_rate,
        )


def _next_optimizer(run: Run, config: Any) -> Any:
    """Returns an optimiser of other settings that has the same slots."""
    with run.strategy.scope():
        optimizer = create_optimizer(config, named_variables(run.model))
    for name, slot in optimizer.slots.items():
        slot.assign(run.optimizer.slots[name].numpy())
    return optimizer
