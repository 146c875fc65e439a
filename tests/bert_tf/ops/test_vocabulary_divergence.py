import numpy as np
import pytest
import tensorflow as tf
from float64_reference import check

from bert_tf.ops.vocabulary_divergence import vocabulary_divergence
from bert_tf.ops.vocabulary_scores import VocabularyScores

VOCAB, TEMPERATURE = 37, 2.0


def draw(rows, width, seed):
    rng = np.random.default_rng(seed)
    hidden, embeddings = rng.normal(size=(rows, width)), rng.normal(size=(VOCAB, width))
    return hidden, embeddings, rng.normal(size=VOCAB)


# One row, less than a slice, and slices with filling.
@pytest.mark.parametrize("rows", [1, 7, 641])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_sum_and_gradients(rows, dtype):
    hidden, embeddings, bias = draw(rows, 16, seed=0)
    theirs = draw(rows, 24, seed=1)
    rng = np.random.default_rng(2)
    weights = rng.uniform(size=rows) * rng.integers(0, 2, rows)
    teacher = VocabularyScores(
        tf.cast(theirs[0], dtype),
        tf.cast(theirs[1], dtype),
        tf.cast(theirs[2], tf.float32),
    )

    def logits(hidden, embeddings, bias):
        products = tf.matmul(hidden, embeddings, transpose_b=True)
        if dtype != "float32":
            # The product is rounded; what follows is not.
            products += tf.stop_gradient(
                tf.cast(tf.cast(products, dtype), tf.float64) - products
            )
        return (products + bias) / TEMPERATURE

    def reference(*student):
        ours = tf.nn.log_softmax(logits(*student))
        theirs = tf.nn.log_softmax(logits(*(tf.cast(x, tf.float64) for x in teacher)))
        divergences = tf.reduce_sum(tf.exp(theirs) * (theirs - ours), axis=-1)
        return TEMPERATURE**2 * tf.reduce_sum(divergences * weights)

    def divergence(*student):
        value = vocabulary_divergence(
            VocabularyScores(*student),
            teacher,
            tf.cast(weights, tf.float32),
            TEMPERATURE,
        )
        assert value.dtype == tf.float32
        return tf.cast(value, student[0].dtype)

    check(
        divergence,
        reference,
        [hidden, embeddings],
        [bias],
        dtype=dtype,
        tolerance={"float32": 3e-6, "bfloat16": 3e-2, "float16": 4e-3}[dtype],
    )


def test_the_teacher_gets_no_gradient():
    student, teacher = (
        VocabularyScores(*(tf.constant(x, tf.float32) for x in draw(5, 16, seed)))
        for seed in (0, 1)
    )
    with tf.GradientTape() as tape:
        tape.watch((student, teacher))
        found = vocabulary_divergence(student, teacher, tf.ones(5), TEMPERATURE)
    gradients = tape.gradient(found, teacher)
    assert [*gradients] == [None, None, None]
    assert found > 0
