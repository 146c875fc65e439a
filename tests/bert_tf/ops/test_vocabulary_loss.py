import numpy as np
import pytest
import tensorflow as tf
from float64_reference import DTYPES, check, relative_error

from bert_tf.ops.vocabulary_loss import vocabulary_loss

HIDDEN, VOCAB = 16, 37


def make_arguments(rows, magnitude=1.0):
    rng = np.random.default_rng(rows)
    tensors = (
        rng.normal(0, magnitude, (rows, HIDDEN)),
        rng.normal(0, 1.0, (VOCAB, HIDDEN)),
    )
    bias = rng.normal(size=VOCAB)
    labels = tf.constant(rng.integers(0, VOCAB, rows), tf.int32)
    weights = rng.uniform(size=rows) * rng.integers(0, 2, rows)
    return tensors, bias, labels, tf.constant(weights, tf.float32)


# One row, less than a chunk, chunks of a length, and chunks with filling.
@pytest.mark.parametrize("rows", [1, 7, 640, 641])
@pytest.mark.parametrize(
    ("dtype", "magnitude", "fused"),
    [
        ("float32", 1.0, True),
        ("float32", 100.0, True),
        ("float32", 1.0, False),
        ("bfloat16", 1.0, True),
        ("bfloat16", 10.0, True),
    ],
)
def test_loss_and_gradients(rows, dtype, magnitude, fused):
    tensors, bias, labels, weights = make_arguments(rows, magnitude)

    def reference(hidden, embeddings, bias):
        logits = tf.matmul(hidden, embeddings, transpose_b=True)
        if dtype == "bfloat16":
            # The product is rounded; what follows is not.
            logits += tf.stop_gradient(
                tf.cast(tf.cast(logits, dtype), tf.float64) - logits
            )
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits + bias)
        return tf.reduce_sum(losses * tf.cast(weights, tf.float64))

    def loss(hidden, embeddings, bias):
        value, _ = vocabulary_loss(
            hidden, embeddings, bias, labels, weights, fused=fused
        )
        return tf.cast(value, hidden.dtype)

    # TensorFlow's bfloat16 products round on the way, too.
    tolerance = 3e-6 if dtype == "float32" else 3e-2
    check(loss, reference, tensors, [bias], dtype=dtype, tolerance=tolerance)


@pytest.mark.slow
def test_the_number_of_rows_may_vary():
    function = tf.function(
        lambda hidden, *rest: vocabulary_loss(hidden, *rest)[0], reduce_retracing=True
    )
    for rows in (3, 4, 700):
        (hidden, embeddings), bias, labels, weights = make_arguments(rows)
        arguments = [tf.constant(x, tf.float32) for x in (hidden, embeddings, bias)]
        expected, _ = vocabulary_loss(*arguments, labels, weights)
        assert relative_error(function(*arguments, labels, weights), expected) < 1e-6
    assert function.experimental_get_tracing_count() == 2


@pytest.mark.parametrize("rows", [5, 500])
@pytest.mark.parametrize("dtype", DTYPES)
def test_counts_right_answers(rows, dtype):
    (hidden, embeddings), bias, labels, weights = make_arguments(rows)
    hidden, embeddings = tf.cast(hidden, dtype), tf.cast(embeddings, dtype)
    logits = tf.matmul(hidden, embeddings, transpose_b=True)
    logits = np.asarray(tf.cast(logits, tf.float64)) + bias.astype(np.float32)
    # A third of the labels are the answer.
    labels = np.where(np.arange(rows) % 3 == 0, logits.argmax(-1), labels)
    _, correct = vocabulary_loss(
        hidden,
        embeddings,
        tf.constant(bias, tf.float32),
        tf.constant(labels, tf.int32),
        weights,
    )
    expected = (weights.numpy() * (logits.argmax(-1) == labels)).sum()
    assert relative_error(correct, expected) < 1e-6
    assert expected > 0


def test_rows_without_weight_change_nothing():
    (hidden, embeddings), bias, labels, _ = make_arguments(40)
    weights = np.repeat([1.0, 0.0], 20)

    def run(rows):
        arguments = [tf.constant(x, tf.float32) for x in (hidden[:rows], embeddings)]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            loss, _ = vocabulary_loss(
                *arguments,
                tf.constant(bias, tf.float32),
                labels[:rows],
                tf.constant(weights[:rows], tf.float32),
            )
        return loss, tape.gradient(loss, arguments)

    loss, (dhidden, dembeddings) = run(40)
    expected, (expected_dhidden, expected_dembeddings) = run(20)
    assert relative_error(loss, expected) < 1e-6
    assert relative_error(dhidden[:20], expected_dhidden) < 1e-6
    assert not np.any(dhidden[20:])
    assert relative_error(dembeddings, expected_dembeddings) < 1e-6
