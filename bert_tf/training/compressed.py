"""The tasks of a fine-tuning run that compress while they learn."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_tf.compression.distillation import DistillationTask
from bert_tf.compression.lessons import Lessons
from bert_tf.compression.pruning import PruningTask
from bert_tf.compression.quantization import QuantizationTask
from bert_tf.compression.teacher import Teacher
from bert_tf.compression.teacher_cache import TeacherCache
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.tasks.task import Task
from bert_tf.training import cluster, run
from bert_tf.training.finetuning_config import FinetuningConfig


def wrap(
    task: Task,
    config: FinetuningConfig,
    *,
    model_config: BertConfig,
    num_steps: int,
    teacher: Teacher | None,
) -> Task:
    """Wraps a task in what the configuration asks for; in nothing by default.

    Distillation comes innermost, then pruning, then quantization-aware training: each
    sees the losses and the weights of those inside.

    Args:
        task: what is learned.
        config: validated.
        model_config: the shape of the model.
        num_steps: of the run, for schedules.
        teacher: to distil from, if any.

    Raises:
        InputError: a method does not fit the task or the model.
    """
    if teacher is not None:
        distillation = config.distillation
        task = DistillationTask(
            task,
            Lessons(task, teacher, distillation, model_config),
            distillation,
            cached=bool(distillation.cache_dir),
        )
    if config.pruning.method:
        rate = config.optimizer.learning_rate
        task = PruningTask(task, config.pruning, num_steps, rate)
    if config.quantization.export:
        task = QuantizationTask(task, config.quantization, num_steps)
    return task


def with_taught(
    encoded: EncodedExamples, lessons: Lessons, config: FinetuningConfig
) -> EncodedExamples:
    """Returns training examples with what their teacher says and sees of them.

    Args:
        encoded: the examples.
        lessons: what is learned of the teacher.
        config: with a `distillation.cache_dir`, which keeps it.

    Raises:
        InputError: several processes would have to compute it; or see
            `TeacherCache.fill`.
    """
    directory = config.distillation.cache_dir
    key = {**lessons.key, "precision": config.precision}
    cache = TeacherCache(Path(directory), encoded, lessons.shapes, key)
    if cluster.num_processes() > 1 and not cache.is_complete:
        raise InputError(
            f"`distillation.cache_dir` {directory}: the teacher's outputs are not all "
            "there, and several workers cannot compute them together. Start the same "
            "run with --config.strategy=default first, and end it once it trains; or "
            "leave the folder out."
        )

    def teach() -> Any:
        lessons.create_teacher(run.POLICIES[config.precision])
        return tf.function(lessons.taught, reduce_retracing=True, autograph=False)

    cache.fill(teach)
    return cache.add_to(encoded)
