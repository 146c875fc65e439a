import numpy as np
import pytest
import tensorflow as tf
from float64_reference import DTYPES, check

from bert_tf.ops.bias_gelu import bias_gelu, bias_gelu_matmul


def reference(approximate):
    def function(x, bias):
        y = x + bias
        if approximate:
            inner = np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)
            return 0.5 * y * (1 + tf.tanh(inner))
        return 0.5 * y * tf.math.erfc(-y / np.sqrt(2.0))

    return function


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("approximate", [True, False], ids=["tanh", "erf"])
@pytest.mark.parametrize(
    ("shape", "magnitude"),
    [((2, 3, 5), 1.0), ((1, 1), 1.0), ((7, 129), 3.0), ((4, 8), 1e4)],
)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_value_and_gradients(shape, magnitude, approximate, dtype, fused):
    rng = np.random.default_rng(0)
    check(
        lambda x, bias: bias_gelu(x, bias, approximate=approximate, fused=fused),
        reference(approximate),
        [rng.normal(0, magnitude, shape)],
        [rng.normal(0, 1, shape[-1])],
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("approximate", [True, False], ids=["tanh", "erf"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1), (7, 129)])
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_with_the_product_that_follows(shape, approximate, dtype, fused):
    rng = np.random.default_rng(0)
    gelu = reference(approximate)
    check(
        lambda x, kernel, bias: bias_gelu_matmul(
            x, bias, kernel, approximate=approximate, fused=fused
        ),
        lambda x, kernel, bias: tf.einsum("...i,io->...o", gelu(x, bias), kernel),
        [rng.normal(0, 1, shape), rng.normal(0, 1, (shape[-1], 4))],
        [rng.normal(0, 1, shape[-1])],
        dtype=dtype,
    )
