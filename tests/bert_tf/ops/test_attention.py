import numpy as np
import pytest
import tensorflow as tf
from float64_reference import check, keep_mask

from bert_tf.ops.attention import attention

BATCH, HEADS, WIDTH = 2, 3, 5
HIDDEN = HEADS * WIDTH
SEED = [3, -4]


def split(x):
    x = tf.reshape(x, [BATCH, -1, HEADS, WIDTH])
    return tf.transpose(x, [0, 2, 1, 3])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("length_from", "length_to", "magnitude"), [(6, 6, 1.0), (1, 9, 1.0), (7, 4, 5.0)]
)
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_value_and_gradients(length_from, length_to, magnitude, rate, fused, dtype):
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (BATCH, 1, length_from, length_to))
    mask[..., 0] = 1
    keep = keep_mask((BATCH, HEADS, length_from, length_to), SEED, rate) / (1 - rate)

    # It shifts all scores of a query alike: its gradient is 0 but for rounding.
    key_bias = rng.normal(size=HIDDEN).astype(np.float32)

    def reference(query, key, value, query_bias, value_bias):
        biases = query_bias, key_bias.astype(np.float64), value_bias
        query, key, value = (
            split(x + bias) for x, bias in zip((query, key, value), biases, strict=True)
        )
        scores = tf.matmul(query, key, transpose_b=True) * WIDTH**-0.5
        scores = tf.where(mask == 1, scores, -1e30)
        context = tf.matmul(tf.nn.softmax(scores) * keep, value)
        context = tf.transpose(context, [0, 2, 1, 3])
        return tf.reshape(context, [BATCH, length_from, HIDDEN])

    def function(query, key, value, query_bias, value_bias):
        return attention(
            query,
            key,
            value,
            (query_bias, tf.constant(key_bias), value_bias),
            tf.constant(mask, tf.int32),
            num_heads=HEADS,
            seed=tf.constant(SEED),
            rate=rate,
            fused=fused,
        )

    inputs = [
        rng.normal(0, size, (BATCH, length, HIDDEN))
        for size, length in (
            (magnitude, length_from),
            (1.0, length_to),
            (1.0, length_to),
        )
    ]
    biases = [rng.normal(size=HIDDEN) for _ in range(2)]
    # In bfloat16 scores and probabilities are rounded on the way.
    tolerance = 1e-5 if dtype == "float32" else 3e-2
    check(function, reference, inputs, biases, dtype=dtype, tolerance=tolerance)
