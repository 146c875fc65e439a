"""How far apart two models' scores of a vocabulary are, without keeping these."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.vocabulary_scores import (
    VocabularyScores,
    sum_in_slices,
    vocabulary_logits,
)


def vocabulary_divergence(
    student: VocabularyScores,
    teacher: VocabularyScores,
    weights: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """Sums KL(teacher || student) of softened scores, times the squared temperature.

    In float32 the gradients are computed together with the sum, some rows at a time, as
    `vocabulary_loss` does it. In other dtypes the logits of all rows of both exist at
    once, float32.

    Args:
        student: `[rows, hidden]`; gradients go to it alone.
        teacher: likewise, of its own width, of the same rows and entries.
        weights: float32 `[rows]`.
        temperature: divides the scores of both.

    Returns:
        The weighted sum, a float32 scalar, nats.

    Source: Hinton et al. 2015 (arXiv:1503.02531), section 2, whose gradient this is.
    """
    teacher = VocabularyScores(*(tf.stop_gradient(x) for x in teacher))
    if student.hidden.dtype != tf.float32:
        logits = vocabulary_logits(*student), vocabulary_logits(*teacher)
        divergences, _ = _divergence(*logits, temperature)
        return tf.reduce_sum(divergences * weights)

    @tf.custom_gradient
    def function(hidden: tf.Tensor, embeddings: tf.Tensor, bias: tf.Tensor) -> Any:
        # A tape outside must not differentiate the loop, which has its gradients.
        inputs = [tf.stop_gradient(x) for x in (hidden, embeddings, bias)]
        found, gradients = _sum(*inputs, *teacher, weights, temperature=temperature)
        return found, lambda upstream: [upstream * value for value in gradients]

    hidden, embeddings, bias = (tf.convert_to_tensor(x) for x in student)
    return function(hidden, embeddings, bias)


@compiled
def _sum(
    hidden: tf.Tensor,
    embeddings: tf.Tensor,
    bias: tf.Tensor,
    teacher_hidden: tf.Tensor,
    teacher_embeddings: tf.Tensor,
    teacher_bias: tf.Tensor,
    weights: tf.Tensor,
    *,
    temperature: float,
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """Returns the sum and its gradients."""

    def score(
        logits: tf.Tensor, hidden: tf.Tensor, weights: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        theirs = vocabulary_logits(hidden, teacher_embeddings, teacher_bias)
        divergences, differences = _divergence(logits, theirs, temperature)
        dlogits = differences * (temperature * weights)[:, tf.newaxis]
        return [tf.reduce_sum(divergences * weights)], dlogits

    student = VocabularyScores(hidden, embeddings, bias)
    (found,), gradients = sum_in_slices(student, (teacher_hidden, weights), score, 1)
    return found, gradients


def _divergence(
    student: tf.Tensor, teacher: tf.Tensor, temperature: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the divergences `[rows]`, and by how much probabilities differ.

    The latter, `[rows, vocab]`, times the temperature is the gradient of the former.
    """
    student_log = tf.nn.log_softmax(student / temperature)
    teacher_log = tf.nn.log_softmax(teacher / temperature)
    probabilities = tf.exp(teacher_log)
    divergences = tf.reduce_sum(probabilities * (teacher_log - student_log), axis=-1)
    return divergences * temperature**2, tf.exp(student_log) - probabilities
