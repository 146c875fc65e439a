"""What a model learns: one file a task."""

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.tasks.pretraining import PretrainingTask
from bert_tf.tasks.task import Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (PretrainingTask,)}


def create_task(description: TaskDescription) -> Task:
    """Returns the task that a model folder describes.

    Raises:
        InputError: no such task.
    """
    if description.name not in TASKS:
        raise InputError(
            f"`task` must be one of {sorted(TASKS)}. Received: {description.name!r}"
        )
    return TASKS[description.name](description)
