"""Pretraining: a plan from a prepared configuration, and what is left at the end."""

from pathlib import Path

import keras
from absl import logging

from bert_tf.checkpoints.workdir import run_name
from bert_tf.compression.distillation import DistillationTask
from bert_tf.compression.lessons import Lessons
from bert_tf.config import BatchConfig
from bert_tf.data.record_source import RecordSource
from bert_tf.storage import files
from bert_tf.tasks.pretraining import PretrainingTask, pretraining_description
from bert_tf.tasks.task import Task
from bert_tf.training import init_from, run, summary
from bert_tf.training.preparation import PhaseData, PreparedRun

# Below this share of tokens in the rows, several examples a row are worth a hint.
_PACKING_PAYS = 0.8


def train_and_evaluate(prepared: PreparedRun) -> None:
    """Runs pretraining, or goes on with it, to its end.

    Args:
        prepared: what `preparation.prepare` returned.

    Raises:
        InputError: see `run.train_and_evaluate`, or a damaged record.
        SystemExit: SIGTERM came, and the state is saved.
        OSError: the disk is full, for instance; what was saved stays.
    """
    config = prepared.config
    with prepared.lock, files.named_if_full(prepared.workdir):
        tasks = _tasks(prepared)
        phases = [_plan(prepared, *each) for each in enumerate(tasks)]
        plan = run.Plan(
            config=config,
            model_config=config.model,
            workdir=prepared.workdir,
            vocabulary=prepared.vocabulary,
            phases=phases,
            initialize=(
                (lambda model: _initialize(model, prepared))
                if config.init_from or config.distillation.student_layers
                else None
            ),
            origin=" ".join([_origin(prepared), *phases[-1].task.methods]),
        )
        finished = run.train_and_evaluate(plan)
        if finished.devices.is_chief:
            summary.write(finished, plan)


def _origin(prepared: PreparedRun) -> str:
    data = ", then ".join(
        f"{phase.train.info.num_records:,} examples of "
        f"{Path(phase.config.data.train_dir).name}"
        for phase in prepared.data
    )
    start = prepared.config.init_from
    return f"Pretrained{f' from {run_name(start)}' if start else ''} on {data}."


def _tasks(prepared: PreparedRun) -> list[Task]:
    """Returns what each phase learns."""
    tasks: list[Task] = []
    for described in prepared.data:
        parameters = described.train.parameters
        tasks.append(
            PretrainingTask(
                pretraining_description(
                    max_seq_length=parameters.max_seq_length,
                    max_predictions_per_seq=parameters.max_predictions_per_seq,
                    sentence_pairs=parameters.objective != "none",
                )
            )
        )
    if prepared.teacher is None:
        return tasks
    settings = prepared.config.distillation
    lessons = Lessons(tasks[0], prepared.teacher, settings, prepared.config.model)
    return [DistillationTask(task, lessons, settings) for task in tasks]


def _plan(prepared: PreparedRun, number: int, task: Task) -> run.PhasePlan:
    config, described = prepared.config, prepared.data[number]
    data = described.config.data
    _suggest_packing(data, described)
    held_out = []
    if described.eval is not None:
        held_out = [RecordSource.open(data.eval_dir, seed=None)]
    return run.PhasePlan(
        task=task,
        batch=data,
        num_steps=described.config.num_train_steps,
        optimizer=described.config.optimizer,
        train=RecordSource.open(
            data.train_dir,
            seed=config.seed + number,
            skip_damaged_records=data.skip_damaged_records,
        ),
        held_out=held_out,
    )


def _initialize(model: keras.Model, prepared: PreparedRun) -> None:
    config = prepared.config
    start = config.init_from or config.distillation.teacher
    done = init_from.initialize(
        model,
        config.model,
        prepared.vocabulary,
        start,
        config.distillation.student_layers,
    )
    logging.info(
        "%s gives %d variables; newly initialized: %s",
        start,
        len(done.assigned),
        done.missing or "none",
    )


def _suggest_packing(batch: BatchConfig, described: PhaseData) -> None:
    fill_rate = described.train.info.statistics.get("fill_rate", 1.0)
    if fill_rate < _PACKING_PAYS and not batch.pack_examples:
        logging.info(
            "%s: %.0f %% of the examples' places are padding. pack_examples=True in "
            "the configuration of the data puts several examples in a row: steps up "
            "to %.1f times as fast.",
            described.config.data.train_dir,
            100 * (1 - fill_rate),
            1 / fill_rate,
        )
