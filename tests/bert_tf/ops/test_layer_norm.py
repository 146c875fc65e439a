import numpy as np
import pytest
import tensorflow as tf
from float64_reference import DTYPES, check, keep_mask

from bert_tf.ops.layer_norm import dropout_add_layer_norm, layer_norm

EPSILON = 1e-12
SHAPES = [((2, 3, 8), 1.0), ((1, 3), 1.0), ((5, 129), 1e-3), ((3, 7, 33), 1e4)]


def reference(x, gamma, beta):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + EPSILON) * gamma + beta


def parameters(rng, units):
    return [rng.normal(1, 0.5, units), rng.normal(0, 0.5, units)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "magnitude"), SHAPES)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_layer_norm(shape, magnitude, dtype, fused):
    rng = np.random.default_rng(0)
    check(
        lambda *args: layer_norm(*args, epsilon=EPSILON, fused=fused),
        reference,
        [rng.normal(0, magnitude, shape)],
        parameters(rng, shape[-1]),
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "magnitude"), SHAPES)
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_dropout_add_layer_norm(shape, magnitude, rate, dtype, fused):
    rng = np.random.default_rng(0)
    seed = [123, -456]
    mask = keep_mask(shape, seed, rate) / (1 - rate)

    def operation(x, residual, bias, gamma, beta):
        return dropout_add_layer_norm(
            x,
            bias,
            residual,
            gamma,
            beta,
            seed=tf.constant(seed),
            rate=rate,
            epsilon=EPSILON,
            fused=fused,
        )

    check(
        operation,
        lambda x, residual, bias, gamma, beta: reference(
            residual + (x + bias) * mask, gamma, beta
        ),
        [rng.normal(0, magnitude, shape), rng.normal(0, magnitude, shape)],
        [rng.normal(0, magnitude, shape[-1]), *parameters(rng, shape[-1])],
        dtype=dtype,
    )


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_equal_inputs_give_beta(fused):
    gamma, beta = tf.constant([2.0, 3.0]), tf.constant([0.5, -0.5])
    y = layer_norm(tf.fill([4, 2], 7.0), gamma, beta, epsilon=EPSILON, fused=fused)
    np.testing.assert_array_equal(y, np.tile([0.5, -0.5], (4, 1)))
