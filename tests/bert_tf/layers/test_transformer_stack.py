"""Stacks of blocks: what they return, and decoding against the whole pass."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.ops.masks import (
    causal_mask,
    mask_at,
    padding_mask,
    same_example_mask,
)

BATCH, LENGTH, MEMORY, HIDDEN = 2, 6, 4, 8
BLOCK = BlockConfig(num_heads=2, head_size=4, intermediate_size=12)
SMALLER = dataclasses.replace(BLOCK, num_heads=1, intermediate_size=5)


def make_stack(*blocks, **options):
    blocks = [dataclasses.replace(block, **options) for block in blocks]
    stack = TransformerStack(blocks, HIDDEN)
    stack.build()
    rng = np.random.default_rng(0)
    for weight in stack.weights:
        weight.assign(rng.normal(0.2, 0.4, weight.shape))
    return stack


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


@pytest.mark.parametrize("norm_first", [False, True], ids=["post_ln", "pre_ln"])
def test_hidden_states_are_each_blocks(norm_first):
    stack = make_stack(BLOCK, SMALLER, norm_first=norm_first)
    x, mask = normal(BATCH, LENGTH, HIDDEN), causal_mask(LENGTH, LENGTH)
    hidden_states = stack(x, mask)
    expected = [x]
    for layer in stack.layers:
        expected.append(layer(expected[-1], mask))
    if norm_first:
        expected[-1] = stack.layer_norm(expected[-1])
        assert [w.path for w in stack.weights][-1].endswith("/LayerNorm/beta")
    assert len(hidden_states) == 3
    for actual, value in zip(hidden_states, expected, strict=True):
        np.testing.assert_array_equal(actual, value)
    positions = tf.constant([[5, 0], [1, 1]])
    some = stack(x, mask, output_positions=positions)
    np.testing.assert_array_equal(some[1], expected[1])
    at_positions = tf.gather(expected[-1], positions, batch_dims=1)
    np.testing.assert_allclose(some[-1], at_positions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_relations_are_what_a_block_attends_by(fused):
    stack = make_stack(BLOCK, SMALLER)
    mask = padding_mask(np.arange(LENGTH) < [[6], [4]])
    hidden_states = stack(normal(BATCH, LENGTH, HIDDEN), mask)
    all_relations = stack.relations(hidden_states, mask, fused)
    assert [r.query.shape[1] for r in all_relations] == [2, 1]
    for layer, x, relations in zip(
        stack.layers, hidden_states[:-1], all_relations, strict=True
    ):
        sublayer = layer.attention
        context = np.einsum("bnst,bntd->bsnd", relations.probabilities, relations.value)
        output = sublayer.residual_output(context.reshape(BATCH, LENGTH, -1), x)
        np.testing.assert_allclose(sublayer(x, mask), output, rtol=1e-4, atol=1e-5)
        scores = np.einsum("bnsd,bntd->bnst", relations.query, relations.key) / 2
        scores = np.where(mask, scores, -np.inf)
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        expected = powers / powers.sum(-1, keepdims=True)
        np.testing.assert_allclose(relations.probabilities, expected, 1e-4, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("cross_attention", [False, True])
@pytest.mark.parametrize("norm_first", [False, True], ids=["post_ln", "pre_ln"])
def test_decoding_equals_the_whole_pass(norm_first, cross_attention):
    """A prompt of each row's own length at once, then one position at a time."""
    stack = make_stack(
        BLOCK, SMALLER, norm_first=norm_first, cross_attention=cross_attention
    )
    x = normal(BATCH, LENGTH, HIDDEN)
    memory = memory_mask = None
    if cross_attention:
        memory = normal(BATCH, MEMORY, HIDDEN, seed=1)
        memory_mask = padding_mask(np.arange(MEMORY) < [[4], [2]])
    expected = stack(x, causal_mask(LENGTH, LENGTH), memory, memory_mask)[-1]

    prompt = np.array([3, 2])
    cache = stack.new_cache(BATCH, LENGTH, memory)
    zeros = tf.zeros([BATCH], tf.int32)
    # Row 1 has a position too many, which the next step replaces.
    outputs, cache = stack.decode(
        x[:, :3], causal_mask(3, LENGTH), cache, zeros, memory_mask
    )
    for row, length in enumerate(prompt):
        np.testing.assert_allclose(
            outputs[row, :length], expected[row, :length], rtol=1e-4, atol=1e-5
        )

    @tf.function
    def generate(cache):
        def step(index, cache, outputs):
            offset = tf.constant(prompt, tf.int32) + index
            output, cache = stack.decode(
                tf.gather(x, offset[:, None], batch_dims=1),
                causal_mask(1, LENGTH, offset),
                cache,
                offset,
                memory_mask,
            )
            return index + 1, cache, outputs.write(index, output[:, 0])

        outputs = tf.TensorArray(tf.float32, 3)
        return tf.while_loop(lambda i, *_: i < 3, step, [0, cache, outputs])[2].stack()

    for index, output in enumerate(generate(cache)):
        np.testing.assert_allclose(
            output,
            tf.gather(expected, prompt + index, batch_dims=1),
            rtol=1e-4,
            atol=1e-5,
        )


def test_rematerialisation_gives_memory_its_gradient():
    memory_mask = padding_mask(tf.ones([BATCH, MEMORY], tf.int32))
    found = []
    for rematerialize in (False, True):
        stack = make_stack(BLOCK, SMALLER, cross_attention=True)
        stack.rematerialize = rematerialize
        x, memory = normal(BATCH, LENGTH, HIDDEN), normal(BATCH, MEMORY, HIDDEN)

        @tf.function
        def gradients(x, memory, stack=stack):
            mask = causal_mask(LENGTH, LENGTH)
            with tf.GradientTape() as tape:
                tape.watch([x, memory])
                outputs = stack(x, mask, memory, memory_mask, fused=True)[-1]
                loss = tf.reduce_sum(tf.square(outputs[..., :3]))
            return tape.gradient(loss, [x, memory, *stack.trainable_variables])

        found.append(gradients(x, memory))
    for a, b in zip(*found, strict=True):
        assert np.abs(a).max() > 0 or a.shape == (4,)  # Not of keys' biases.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_masks():
    np.testing.assert_array_equal(
        causal_mask(2, 4, tf.constant([0, 2]))[:, 0],
        [[[1, 0, 0, 0], [1, 1, 0, 0]], [[1, 1, 1, 0], [1, 1, 1, 1]]],
    )
    np.testing.assert_array_equal(causal_mask(3, 3)[0, 0], np.tri(3))
    examples = same_example_mask(tf.constant([[1, 1, 2, 0]]))
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(examples[0, 0], expected)
    starts = same_example_mask(tf.constant([[1, 2]]), tf.constant([[1, 1, 2, 0]]))
    np.testing.assert_array_equal(starts[0, 0], [[1, 1, 0, 0], [0, 0, 1, 0]])
    positions = tf.constant([[2, 0]])
    np.testing.assert_array_equal(
        mask_at(examples, positions)[0, 0], [expected[2], expected[0]]
    )
    np.testing.assert_array_equal(
        mask_at(causal_mask(3, 3), tf.constant([[2], [0]]))[:, 0],
        [[[1, 1, 1]], [[1, 0, 0]]],
    )
