"""All tasks by name."""

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.classification import ClassificationTask
from bert_tf.tasks.embedding import EmbeddingTask
from bert_tf.tasks.extractive_summarization import ExtractiveSummarizationTask
from bert_tf.tasks.fill_mask import FillMaskTask
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.multi_label import MultiLabelTask
from bert_tf.tasks.multiple_choice import MultipleChoiceTask
from bert_tf.tasks.predicting_task import PredictingTask
from bert_tf.tasks.pretraining import PretrainingTask
from bert_tf.tasks.question_answering import QuestionAnsweringTask
from bert_tf.tasks.regression import RegressionTask
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.task import Task
from bert_tf.tasks.token_classification import TokenClassificationTask
from bert_tf.text.vocabulary import Vocabulary

LABELLED_TASKS: dict[str, type[LabelledTask]] = {
    task.name: task
    for task in (
        ClassificationTask,
        MultiLabelTask,
        RegressionTask,
        EmbeddingTask,
        TokenClassificationTask,
        MultipleChoiceTask,
        QuestionAnsweringTask,
        ExtractiveSummarizationTask,
        SequenceToSequenceTask,
        CausalLmTask,
    )
}
TASKS: dict[str, type[Task]] = {
    PretrainingTask.name: PretrainingTask,
    **LABELLED_TASKS,
}


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


def create_predicting_task(
    description: TaskDescription, vocabulary: Vocabulary
) -> PredictingTask:
    """Returns what answers to texts with a model of such a task.

    Raises:
        InputError: no such task.
    """
    if description.name == PretrainingTask.name:
        return FillMaskTask(description, vocabulary)
    task = create_task(description)
    assert isinstance(task, PredictingTask), "pretraining is the only other one"
    return task
