"""A teacher as a model that answers."""

import keras

from bert_tf.compression.teacher import Teacher
from bert_tf.errors import InputError
from bert_tf.models.variables import assign_variables
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.task import Task

# What a teacher may lack, by task: heads whose answers are not compared.
_UNUSED = {"pretraining": ("bert/pooler/", "cls/seq_relationship/")}


def task_of_teacher(teacher: Teacher, task: Task) -> Task:
    """Returns the task with a teacher's settings: how it pools, what decodes.

    Those of the student's where it was trained for another one. Whether vectors have
    length 1 is the student's to say: others would be out of its reach.
    """
    described = teacher.weights.task
    if described.name != task.name or not isinstance(task, LabelledTask):
        return task
    ours = task.description.settings
    kept = {name: ours[name] for name in ("normalize",) if name in ours}
    return type(task)(described.with_settings(**kept))


def create_teacher(
    teacher: Teacher, task: Task, dtype: str | None, *, answers: bool
) -> keras.Model:
    """Returns a teacher's model, whose variables are not trained.

    Args:
        teacher: the checkpoint.
        task: the student's, with the teacher's settings.
        dtype: name of a Keras dtype policy, None for the global one.
        answers: whether its head is needed.

    Raises:
        InputError: it lacks variables that are needed.
    """
    model = task.create_model(teacher.weights.config, dtype=dtype)
    done = assign_variables(model, teacher.weights.variables, strict=False)
    unused = _UNUSED.get(task.name, ())
    missing = [
        name
        for name in done.missing
        if name.startswith("bert/e") or (answers and not name.startswith(unused))
    ]
    if missing:
        raise InputError(
            f"`distillation.teacher` {teacher.path}: lacks {len(missing)} variables, "
            f"the first of them {missing[0]!r}. Convert or train it whole."
        )
    model.trainable = False
    return model
