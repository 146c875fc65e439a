import numpy as np
import pytest
import tensorflow as tf
from float64_reference import DTYPES, check

from bert_tf.ops.heads import merge_heads, split_heads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_split_heads(dtype, fused):
    rng = np.random.default_rng(0)

    def reference(x, bias):
        heads = tf.split(x + bias, 3, axis=-1)
        return tf.stack(heads, axis=1)

    check(
        lambda x, bias: split_heads(x, bias, num_heads=3, fused=fused),
        reference,
        [rng.normal(size=(2, 5, 12))],
        [rng.normal(size=12)],
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_merge_heads(dtype, fused):
    rng = np.random.default_rng(0)
    check(
        lambda x: merge_heads(x, fused=fused),
        lambda x: tf.concat(tf.unstack(x, axis=1), axis=-1),
        [rng.normal(size=(2, 3, 5, 4))],
        dtype=dtype,
    )
