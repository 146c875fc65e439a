"""The answers of tasks against their formulas, in NumPy's float64."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression.soft_targets import soft_targets
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.ops.vocabulary_scores import VocabularyScores
from bert_tf.tasks.catalog import TASKS

TEMPERATURE = 2.0


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 3


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(student, teacher):
    student, teacher = (softmax(x / TEMPERATURE) for x in (student, teacher))
    return TEMPERATURE**2 * (teacher * np.log(teacher / student)).sum(-1)


def compare(task, student, teacher, batch):
    """Returns the sum of the losses, and how many answers there are."""
    answers = soft_targets(task)
    batch = {name: tf.constant(values) for name, values in batch.items()}
    found = answers.loss_sum(student, teacher, batch, TEMPERATURE)
    return float(found), float(tf.reduce_sum(answers.weights(batch)))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_answers(task):
    assert soft_targets(task).names


def test_a_task_of_ones_own_has_none():
    with pytest.raises(
        InputError, match="`distillation.soft_weight` must be 0 for 'x'"
    ):
        soft_targets("x")


def test_choices_are_compared_by_example():
    """Three examples in packed rows, one of them over two rows."""
    groups = np.array([[1, 1, 1, 0], [2, 2, 3, 0], [3, 3, 3, 0]], np.int32)
    student, teacher = draw(3, 4), draw(3, 4, seed=1)
    batch = {
        "group_ids": groups,
        "is_right": np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], np.float32),
        "example_weights": (groups > 0).astype(np.float32),
    }
    expected = sum(
        divergence(student[groups == group], teacher[groups == group])
        for group in (1, 2, 3)
    )
    found, count = compare(
        "multiple_choice", {"logits": student}, {"logits": teacher}, batch
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert count == 3  # As many as there are examples.


def test_embeddings_are_compared_by_their_distance():
    student, teacher = draw(2, 3, 8), draw(2, 3, 8, seed=1)
    teacher[1, 2] = 0.0  # Of no text.
    weights = np.array([[1, 1, 1], [1, 1, 0]], np.float32)
    batch, real = {"example_weights": weights}, weights > 0

    def embeddings(x):
        return {"sentence_embedding": tf.constant(x)}

    found, count = compare("embedding", embeddings(student), embeddings(teacher), batch)
    squares = ((student - teacher) ** 2).sum(-1)[real] / (teacher**2).sum(-1)[real]
    np.testing.assert_allclose(found, squares.sum(), rtol=1e-5)
    assert count == 5

    student, teacher = (
        x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)
        for x in (student, teacher)
    )
    found, _ = compare("embedding", embeddings(student), embeddings(teacher), batch)
    cosines = (student * teacher).sum(-1)[real]
    np.testing.assert_allclose(found, (2 - 2 * cosines).sum(), rtol=1e-5)
    # sentence-transformers' `MSELoss`, but for the width.
    errors = ((student - teacher)[real] ** 2).mean()
    np.testing.assert_allclose(found, errors * 8 * 5, rtol=1e-5)


def test_sentences_are_compared_where_there_is_one():
    student, teacher = draw(2, 4), draw(2, 4, seed=1)
    labels = np.array([[1, 0, 0, -1], [0, -1, -1, -1]], np.int32)
    s, t = (1 / (1 + np.exp(-x / TEMPERATURE)) for x in (student, teacher))
    each = t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s))
    found, count = compare(
        "extractive_summarization",
        {"logits": student},
        {"logits": teacher},
        {"labels": labels},
    )
    expected = TEMPERATURE**2 * each[labels >= 0].sum()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert count == 4


@pytest.mark.parametrize(
    ("task", "labels"),
    [("causal_lm", "labels"), ("sequence_to_sequence", "decoder_labels")],
)
def test_next_tokens_are_compared_where_there_is_a_label(task, labels):
    def scores(width, seed):
        return VocabularyScores(
            *(
                tf.constant(draw(*shape, seed=seed))
                for shape in ((2, 5, width), (11, width), (11,))
            )
        )

    student, teacher = scores(6, 0), scores(4, 1)
    following = np.array([[3, 1, 0, -1, -1], [2, 2, 9, 4, -1]], np.int32)
    logits = [
        x.hidden.numpy().astype(float) @ x.word_embeddings.numpy().T + x.bias.numpy()
        for x in (student, teacher)
    ]
    expected = divergence(*logits)[following >= 0].sum()
    found, count = compare(
        task, {"scores": student}, {"scores": teacher}, {labels: following}
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert count == 7


def test_a_vocabulary_of_numbers_a_token_is_too_much_to_keep():
    with pytest.raises(InputError, match="cache_dir` must be empty for 'causal_lm'"):
        soft_targets("causal_lm").shapes(TaskDescription("causal_lm"), BertConfig())
