import numpy as np
import pytest
import tensorflow as tf
from float64_reference import DTYPES, check, keep_mask

from bert_tf.ops.masked_softmax import masked_softmax

BATCH, HEADS = 2, 3


def make_mask(rng, length_from, length_to, per_query):
    rows = length_from if per_query else 1
    mask = rng.integers(0, 2, (BATCH, 1, rows, length_to))
    mask[..., 0] = 1
    return mask.astype(np.int32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("length_from", "length_to", "magnitude"),
    [(5, 5, 1.0), (1, 7, 1.0), (9, 33, 10.0), (4, 6, 1e4)],
)
@pytest.mark.parametrize(
    ("per_query", "rate"), [(False, 0.0), (True, 0.2)], ids=["keys", "queries"]
)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_value_and_gradients(
    length_from, length_to, magnitude, per_query, rate, dtype, fused
):
    rng = np.random.default_rng(0)
    shape = (BATCH, HEADS, length_from, length_to)
    mask = make_mask(rng, length_from, length_to, per_query)
    seed, scale = [-7, 99], 0.125
    keep = keep_mask(shape, seed, rate) / (1 - rate)

    def reference(scores):
        scores = tf.where(mask == 1, scores * scale, -np.inf)
        return tf.nn.softmax(scores) * keep

    check(
        lambda scores: masked_softmax(
            scores,
            tf.constant(mask),
            scale=scale,
            seed=tf.constant(seed),
            rate=rate,
            fused=fused,
        ),
        reference,
        [rng.normal(0, magnitude, shape)],
        dtype=dtype,
    )


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fully_masked_rows_attend_to_all_alike(dtype, fused):
    scores = tf.constant(np.random.default_rng(0).normal(0, 50, (1, 2, 3, 4)), dtype)
    mask = tf.constant([0, 1, 0], tf.int32)[None, None, :, None] * tf.ones(
        [1, 1, 3, 4], tf.int32
    )
    with tf.GradientTape() as tape:
        tape.watch(scores)
        probabilities = masked_softmax(
            scores, mask, scale=1.0, seed=None, rate=0.0, fused=fused
        )
        loss = tf.reduce_sum(tf.square(probabilities))
    masked = tf.cast(tf.gather(probabilities, [0, 2], axis=2), tf.float32)
    np.testing.assert_array_equal(masked, np.full((1, 2, 2, 4), 0.25))
    assert np.isfinite(tf.cast(tape.gradient(loss, scores), tf.float32)).all()


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_masked_keys_get_exactly_nothing(fused):
    scores = tf.constant([[[[9e4, 1.0, 2.0]]]])
    mask = tf.constant([[[[0, 1, 1]]]])
    p = masked_softmax(scores, mask, scale=1.0, seed=None, rate=0.0, fused=fused)
    expected = 1 / (1 + np.exp(1.0))
    np.testing.assert_allclose(p[0, 0, 0], [0.0, expected, 1 - expected], rtol=1e-6)
    assert p[0, 0, 0, 0] == 0.0


@pytest.mark.parametrize("fused", [False, True])
def test_a_mask_of_all_rows_is_that_of_each(fused):
    rng = np.random.default_rng(0)
    scores = tf.constant(rng.normal(size=[3, 2, 4, 4]).astype(np.float32))
    mask = np.tril(np.ones([1, 1, 4, 4], np.int32))
    settings = {"scale": 0.5, "seed": None, "rate": 0.0, "fused": fused}
    found = masked_softmax(scores, tf.constant(mask), **settings)
    of_each = tf.constant(np.repeat(mask, 3, axis=0))
    np.testing.assert_array_equal(found, masked_softmax(scores, of_each, **settings))


def test_no_sum_adds_one_matrix_to_all_rows():
    """oneDNN's product with such a sum takes 400 times as long (TensorFlow 2.21)."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2, None, None]),
            tf.TensorSpec([1, 1, None, None], tf.int32),
        ],
        autograph=False,
    )
    def attend(scores, mask):
        return masked_softmax(scores, mask, scale=0.5, seed=None, rate=0.0, fused=False)

    graph = attend.get_concrete_function().graph
    sums = [each for each in graph.get_operations() if each.type == "AddV2"]
    assert sums
    for each in sums:
        for term in each.inputs:
            assert term.shape.rank == 0 or term.shape[0] != 1
