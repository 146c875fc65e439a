"""Products as int8 computes them, beside NumPy's integer arithmetic."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints.quantization_ranges import ProductRanges, Range
from bert_tf.compression.int8_products import (
    SHARES,
    Int8Product,
    Limits,
    compute_in_int8,
    products,
    simulate,
)
from bert_tf.config import BertConfig
from bert_tf.layers.dense import Dense
from bert_tf.layers.logits import Logits
from bert_tf.models import SequenceClassifier, TokenClassifier

CONFIG = BertConfig(
    vocab_size=40,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
)
RANGES = ProductRanges(Range(-2.0, 3.0), Range(-4.0, 2.5))
LIMITS = Limits(tf.constant(RANGES.array))


def model_inputs():
    ids = np.random.default_rng(0).integers(0, CONFIG.vocab_size, [3, 8])
    mask = (np.arange(8) < [[8], [5], [7]]).astype(int)
    return {
        name: tf.constant(value, tf.int32)
        for name, value in [
            ("input_ids", ids),
            ("input_mask", mask),
            ("segment_ids", mask * 0),
        ]
    }


def integer_product(x, kernel, bias, ranges):
    """What a processor of integers computes, and one step of the outputs."""

    def steps(limits):
        low, high = min(limits.minimum, 0.0), max(limits.maximum, 0.0)
        scale = np.float32(high - low) / np.float32(255)
        return scale, int(np.rint(-128 - np.float32(low) / scale))

    (in_scale, in_zero), (out_scale, out_zero) = map(
        steps, (ranges.inputs, ranges.outputs)
    )
    scales = np.abs(kernel).max(axis=0) / 127
    x_int = np.clip(np.rint(x / in_scale) + in_zero, -128, 127).astype(np.int32)
    kernel_int = np.rint(kernel / scales).astype(np.int32)
    bias_int = np.rint(bias / (in_scale * scales)).astype(np.int32)
    sums = (x_int - in_zero) @ kernel_int + bias_int
    out_int = np.rint(sums * (in_scale * scales / out_scale)) + out_zero
    return (np.clip(out_int, -128, 127) - out_zero) * out_scale, out_scale


@pytest.mark.parametrize("kind", [Dense, Logits])
@pytest.mark.parametrize("training", [False, True])
def test_a_product_is_that_of_integers(kind, training):
    rng = np.random.default_rng(1)
    layer = kind(40, initializer_range=0.3)
    layer.build((None, 32))
    bias = layer.bias if kind is Dense else layer.output_bias
    bias.assign(rng.normal(0, 0.3, 40))
    kernel = np.asarray(layer.kernel if kind is Dense else layer.output_weights)
    kernel = kernel if kind is Dense else kernel.T
    observed = tf.Variable(tf.fill([4], -np.inf)) if training else None
    layer.product = Int8Product(layer, LIMITS, observed)
    x = rng.normal(0, 1.5, [50, 32]).astype(np.float32)
    found = layer(tf.constant(x)).numpy()
    expected, step = integer_product(x, kernel, np.asarray(bias), RANGES)
    # A sum right between two steps may go either way in float32.
    assert np.abs(found - expected).max() < 1.01 * step
    assert (np.abs(found - expected) > 1e-5).mean() < 1e-3
    if kind is Dense:
        np.testing.assert_allclose(
            layer.project(tf.constant(x)) + bias, found, atol=1e-6
        )


def test_a_large_output_leaves_the_others_their_steps():
    layer = Dense(32)
    layer.build((None, 32))
    kernel = np.random.default_rng(1).normal(0, 0.02, [32, 32]).astype(np.float32)
    kernel[:, 7] *= 1000
    layer.kernel.assign(kernel)
    x = np.random.default_rng(2).normal(size=[50, 32]).astype(np.float32)
    x = x.clip(-2, 2)
    exact = x @ kernel
    bounds = np.abs(exact).max(axis=0)
    ranges = tf.constant([[-2.0, 2.0], SHARES])
    layer.product = Int8Product(layer, Limits(ranges, tf.constant(bounds)))
    found = layer(tf.constant(x)).numpy()
    assert (np.abs(found - exact) < 0.04 * bounds).all()
    # Numbers of 127 steps to each bound.
    numbers = found / bounds * 127
    np.testing.assert_allclose(numbers, np.rint(numbers), atol=1e-3)
    # One range for all outputs rounds the others to nothing.
    wide = tf.constant([[-2.0, 2.0], [-bounds.max(), bounds.max()]], tf.float32)
    layer.product = Int8Product(layer, Limits(wide))
    coarse = np.delete(layer(tf.constant(x)).numpy(), 7, axis=1)
    assert np.abs(coarse - np.delete(exact, 7, axis=1)).mean() > 0.04


def test_pruned_weights_stay_out_of_the_product():
    layer = Dense(32)
    layer.build((None, 32))
    mask = np.ones([32, 32], np.float32)
    mask[5] = 0.0
    layer.kernel_transform = lambda kernel: kernel * mask
    layer.product = Int8Product(layer, LIMITS)
    x = np.random.default_rng(2).normal(size=[6, 32]).astype(np.float32)
    other = x.copy()
    other[:, 5] += 1.0
    np.testing.assert_array_equal(layer(tf.constant(x)), layer(tf.constant(other)))


def test_gradients_pass_straight_through():
    layer = Dense(32)
    layer.build((None, 32))
    layer.product = Int8Product(layer, Limits(tf.constant([[-9.0, 9.0], [-9.0, 9.0]])))
    x = tf.random.stateless_normal([6, 32], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    dy = tf.ones_like(y)
    dx, dkernel, dbias = tape.gradient(y, [x, layer.kernel.value, layer.bias.value], dy)
    # Of the rounded operands, as if nothing had been rounded.
    scale = np.abs(np.asarray(layer.kernel)).max(axis=0) / 127
    rounded = np.rint(np.asarray(layer.kernel) / scale) * scale
    np.testing.assert_allclose(dx, dy @ rounded.T, atol=1e-5)
    np.testing.assert_allclose(dkernel, np.asarray(x).T @ dy, atol=0.3)
    np.testing.assert_array_equal(dbias, np.full(32, 6.0))


def test_which_products_are_in_int8():
    few = products(SequenceClassifier(CONFIG, num_labels=2))
    assert len(few) == 2 * 6 + 1  # Of two blocks, and the pooler; two labels are few.
    many = products(TokenClassifier(CONFIG, num_labels=40))
    assert "output_weights" in many and "bert/pooler/dense/kernel" not in many


def test_fused_and_plain_operations_agree():
    model = SequenceClassifier(CONFIG, num_labels=3, seed=1)
    wide = {name: ProductRanges(Range(-4, 4), Range(-2, 2)) for name in products(model)}
    before = model(model_inputs())["logits"]
    simulate(model, wide)
    plain = model(model_inputs())["logits"]
    fused = model(model_inputs(), fused=True)["logits"]
    np.testing.assert_allclose(fused, plain, atol=2e-3)
    assert 1e-4 < np.abs(plain - before).max() < 0.1


def test_rows_of_words_are_rounded_and_few_segments_are_not():
    model = SequenceClassifier(CONFIG, num_labels=3)
    embeddings = model.bert.embeddings
    compute_in_int8(model, {name: LIMITS for name in products(model)})
    rows = tf.constant(np.asarray(embeddings.word_embeddings)[:4])
    words = embeddings.row_transform("word_embeddings", rows)
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    np.testing.assert_allclose(words, np.rint(rows / scale) * scale, atol=1e-7)
    assert embeddings.row_transform("token_type_embeddings", rows) is rows
