"""What the head of a fine-tuned model is for, as far as its source says."""

import dataclasses
from collections.abc import Container, Mapping, Sequence

import numpy as np

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError

# Tasks whose head has an output for each label.
_LABELLED = ("classification", "multi_label", "token_classification")

_EARLIER = {
    "sequence_classification": "classification",
    "token_classification": "token_classification",
    "multiple_choice": "multiple_choice",
    "question_answering": "question_answering",
}


def label(index: int) -> str:
    """Returns what an output is called whose source does not name it.

    Source: Hugging Face transformers, `configuration_utils.py`.
    """
    return f"LABEL_{index}"


def task_of_names(variables: Container[str]) -> str | None:
    """Returns what a head is for by its variables' names alone; None without a head.

    A head of several tasks is taken for that of the commonest one.
    """
    if names.SPAN_HEAD[0] in variables:
        return "question_answering"
    return "classification" if names.CLASSIFIER_HEAD[0] in variables else None


def describe(
    task: str | None,
    variables: Mapping[str, np.ndarray],
    labels: Sequence[str] = (),
    stated: TaskDescription | None = None,
    certain: bool = False,
) -> TaskDescription:
    """Describes the task of a fine-tuned model.

    Args:
        task: whose head the source is said to hold; None for no fine-tuned head.
        variables: by google-research/bert name.
        labels: what the source calls the head's outputs; empty where it doesn't.
        stated: what we wrote beside the weights; believed where the source does not
            contradict it, for another program may have trained the model further.
        certain: whether the source itself names the task, so that one output is no
            sign of a regression.
    """
    if task is None or names.head(task)[0] not in variables:
        return stated or TaskDescription()
    rows = len(variables[names.head(task)[0]])
    if task == "classification" and rows == 1 and not certain and stated is None:
        task = "regression"
    if stated is None or stated.name != task:
        stated = TaskDescription(task)
    if task not in _LABELLED:
        return stated
    unnamed = tuple(label(index) for index in range(rows))
    if len(labels) == rows and tuple(labels) != unnamed:
        return dataclasses.replace(stated, labels=tuple(labels))
    if len(stated.labels) == rows:
        return stated
    return TaskDescription(task, labels=unnamed)


def of_earlier_version(
    task: str, labels: Sequence[str], source: str
) -> TaskDescription:
    """Describes a task as folders of earlier versions named it.

    Raises:
        InputError: no such task.
    """
    if task not in _EARLIER:
        raise InputError(
            f"{source}: `task` must be one of {', '.join(_EARLIER)}. "
            f"Received: {task!r:.60}"
        )
    return TaskDescription(_EARLIER[task], labels=tuple(labels))
