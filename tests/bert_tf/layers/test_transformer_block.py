"""Options of the block against the formulas, in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.transformer_block import TransformerBlock
from bert_tf.ops.masks import causal_mask, mask_at, padding_mask

BATCH, LENGTH, MEMORY, HIDDEN, HEADS = 2, 6, 4, 8, 2


def norm(x, layer):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance) * layer.gamma.numpy() + layer.beta.numpy()


def dense(x, layer):
    return x @ layer.kernel.numpy().astype(np.float64) + layer.bias.numpy()


def attend(x, memory, mask, layer):
    heads = []
    size = HIDDEN // HEADS
    projections = [
        dense(source, part)
        for source, part in (
            (x, layer.query),
            (memory, layer.key),
            (memory, layer.value),
        )
    ]
    for head in range(HEADS):
        q, k, v = (p[..., head * size : (head + 1) * size] for p in projections)
        scores = np.einsum("bfd,btd->bft", q, k) / np.sqrt(size)
        scores = np.where(mask, scores, -np.inf)
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(powers / powers.sum(-1, keepdims=True) @ v)
    return np.concatenate(heads, -1)


def sublayer(x, branch, layer, norm_first):
    if norm_first:
        return x + branch(norm(x, layer.layer_norm))
    return norm(x + branch(x), layer.layer_norm)


def reference(block, x, mask, memory, memory_mask, norm_first):
    for attention, source, visible in (
        (block.attention, None, mask),
        (block.cross_attention, memory, memory_mask),
    ):
        if attention is None:
            continue
        output = attention.residual_output

        def branch(
            y, attention=attention, output=output, source=source, visible=visible
        ):
            keys = y if source is None else source
            return dense(attend(y, keys, visible, attention.attention), output.dense)

        x = sublayer(x, branch, output, norm_first)

    def feed_forward(y):
        y = dense(y, block.feed_forward.intermediate.dense)
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        return dense(y, block.feed_forward.residual_output.dense)

    return sublayer(x, feed_forward, block.feed_forward.residual_output, norm_first)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("norm_first", [False, True], ids=["post_ln", "pre_ln"])
@pytest.mark.parametrize(
    ("causal", "cross_attention"), [(False, False), (True, False), (True, True)]
)
def test_options(norm_first, causal, cross_attention, fused):
    rng = np.random.default_rng(0)
    block = TransformerBlock(
        BlockConfig(
            num_heads=HEADS,
            head_size=HIDDEN // HEADS,
            intermediate_size=16,
            norm_first=norm_first,
            cross_attention=cross_attention,
        )
    )
    block.build((None, None, HIDDEN))
    for weight in block.weights:
        weight.assign(rng.normal(0.5, 0.5, weight.shape))
    x = rng.normal(size=(BATCH, LENGTH, HIDDEN))
    memory = rng.normal(size=(BATCH, MEMORY, HIDDEN))
    mask = np.arange(LENGTH) < [[LENGTH], [LENGTH - 2]]
    memory_mask = np.arange(MEMORY) < [[MEMORY - 1], [1]]
    arguments = {}
    if cross_attention:
        arguments["memory"] = tf.constant(memory, tf.float32)
        arguments["memory_mask"] = padding_mask(memory_mask)
    attention_mask = padding_mask(mask)
    if causal:
        attention_mask *= causal_mask(LENGTH, LENGTH)

    def run(attention_mask, **more):
        inputs = tf.constant(x, tf.float32)
        return block(inputs, attention_mask, fused=fused, **arguments, **more).numpy()

    visible = mask[:, None] & (np.tri(LENGTH, dtype=bool) if causal else True)
    expected = reference(block, x, visible, memory, memory_mask[:, None], norm_first)
    np.testing.assert_allclose(run(attention_mask), expected, rtol=2e-4, atol=2e-5)
    # Some positions alone are what they are among all.
    positions = tf.constant([[0, 3, 3], [5, 1, 0]])
    np.testing.assert_allclose(
        run(mask_at(attention_mask, positions), positions=positions),
        tf.gather(expected, positions, batch_dims=1),
        rtol=2e-4,
        atol=2e-5,
    )
