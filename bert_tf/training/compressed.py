"""The tasks of a fine-tuning run that compress while they learn."""

from bert_tf.compression.quantization import QuantizationTask
from bert_tf.tasks.task import Task
from bert_tf.training.finetuning_config import FinetuningConfig


def wrap(task: Task, config: FinetuningConfig, num_steps: int) -> Task:
    """Wraps a task in what the configuration asks for; in itself if that is nothing.

    Distillation comes innermost, then pruning, then quantization-aware training: each
    sees the losses and the weights of those inside.

    Args:
        task: what is learned.
        config: validated.
        num_steps: of the run, for schedules.
    """
    if config.quantization.export:
        task = QuantizationTask(task, config.quantization, num_steps)
    return task
