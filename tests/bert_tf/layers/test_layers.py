"""What every layer must do: build, run, serialize, respect the dtype policy."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.activated_dense import ActivatedDense
from bert_tf.layers.attention import MultiHeadAttention
from bert_tf.layers.attention_sublayer import AttentionSublayer
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.dense import Dense
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.feed_forward import FeedForwardSublayer
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.layers.logits import Logits
from bert_tf.layers.residual_output import ResidualOutput
from bert_tf.layers.transformer_block import TransformerBlock
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.models.heads import MaskedLmHead, PretrainingHeads, Transform

CONFIG = BertConfig(
    vocab_size=11,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=6,
)
BLOCK = BlockConfig(num_heads=2, head_size=4, intermediate_size=12)
PRUNED = BlockConfig(num_heads=1, head_size=4, intermediate_size=6)
PRE_LN = dataclasses.replace(BLOCK, norm_first=True)
DECODER = dataclasses.replace(BLOCK, cross_attention=True)
HIDDEN = np.random.default_rng(0).normal(size=(3, 5, 8)).astype(np.float32)
IDS = np.random.default_rng(1).integers(0, 2, (3, 5)).astype(np.int32)
MASK = np.ones((3, 1, 1, 5), np.int32)
POOLED = HIDDEN[:, 0]
WORDS = np.random.default_rng(2).normal(size=(11, 8)).astype(np.float32)

LAYERS = {
    "dense": (Dense, {"units": 4}, (HIDDEN,), (3, 5, 4), 2),
    "layer_norm": (LayerNorm, {"epsilon": 1e-5}, (HIDDEN,), (3, 5, 8), 2),
    "embeddings": (Embeddings, {"config": CONFIG}, (IDS, IDS), (3, 5, 8), 5),
    "sums": (
        Embeddings,
        {"config": CONFIG, "normalize": False},
        (IDS, None),
        (3, 5, 8),
        3,
    ),
    "attention": (MultiHeadAttention, {"config": BLOCK}, (HIDDEN, MASK), (3, 5, 8), 6),
    "activated": (
        ActivatedDense,
        {"units": 4, "activation": "gelu_erf"},
        (HIDDEN,),
        (3, 5, 4),
        2,
    ),
    "residual": (ResidualOutput, {"config": BLOCK}, (HIDDEN, HIDDEN), (3, 5, 8), 4),
    "sublayer": (AttentionSublayer, {"config": BLOCK}, (HIDDEN, MASK), (3, 5, 8), 10),
    "feed_forward": (FeedForwardSublayer, {"config": BLOCK}, (HIDDEN,), (3, 5, 8), 6),
    "block": (TransformerBlock, {"config": PRE_LN}, (HIDDEN, MASK), (3, 5, 8), 16),
    "pruned_block": (
        TransformerBlock,
        {"config": PRUNED},
        (HIDDEN, MASK),
        (3, 5, 8),
        16,
    ),
    "cross_attention": (
        TransformerBlock,
        {"config": DECODER},
        (HIDDEN, MASK, HIDDEN, MASK),
        (3, 5, 8),
        26,
    ),
    "stack": (
        TransformerStack,
        {"blocks": [BLOCK, PRUNED], "hidden_size": 8},
        (HIDDEN, MASK),
        (3, 5, 8),
        32,
    ),
    "pre_ln_stack": (
        TransformerStack,
        {"blocks": [PRE_LN, PRE_LN], "hidden_size": 8},
        (HIDDEN, MASK),
        (3, 5, 8),
        34,
    ),
    "transform": (
        Transform,
        {"units": 8, "activation": "gelu"},
        (HIDDEN,),
        (3, 5, 8),
        4,
    ),
    "masked_lm": (MaskedLmHead, {"config": CONFIG}, (HIDDEN, WORDS), (3, 5, 11), 5),
    "logits": (Logits, {"num_labels": 2}, (POOLED,), (3, 2), 2),
}


def call(layer, inputs):
    outputs = layer(*inputs)
    return outputs[-1] if isinstance(layer, TransformerStack) else outputs


@pytest.mark.parametrize("name", list(LAYERS))
def test_layer(name):
    cls, arguments, inputs, shape, num_weights = LAYERS[name]
    layer = cls(**arguments, seed=3) if cls is not LayerNorm else cls(**arguments)
    outputs = call(layer, inputs)
    assert outputs.shape == shape
    assert len(layer.weights) == num_weights

    config = layer.get_config()
    same = cls.from_config(config)
    assert same.get_config() == config
    same = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert same.built
    np.testing.assert_array_equal(call(same, inputs), outputs)  # The same seed.
    for ours, theirs in zip(layer.weights, same.weights, strict=True):
        assert ours.name == theirs.name

    mixed = cls(**arguments, dtype="mixed_bfloat16")
    lowered = [
        x if x is None or x.dtype != np.float32 else tf.cast(x, "bfloat16")
        for x in inputs
    ]
    logits = cls in (MaskedLmHead, Logits)
    assert call(mixed, lowered).dtype == ("float32" if logits else "bfloat16")
    assert {w.dtype for w in mixed.weights} == {"float32"}


def test_both_heads():
    heads = PretrainingHeads(CONFIG)
    heads.build()
    outputs = heads(HIDDEN[:, :2], POOLED, WORDS)
    assert outputs["masked_lm_logits"].shape == (3, 2, 11)
    assert outputs["next_sentence_logits"].shape == (3, 2)
    same = PretrainingHeads.from_config(heads.get_config())
    assert same.get_config() == heads.get_config()


def test_refuses_bad_arguments():
    with pytest.raises(ValueError, match="`num_heads` must be at least 1. Received: 0"):
        MultiHeadAttention({**dataclasses.asdict(BLOCK), "num_heads": 0})
    with pytest.raises(ValueError, match="`activation` must be one of .* 'relu'"):
        ActivatedDense(4, "relu")
    block = TransformerBlock(DECODER)
    block.build(HIDDEN.shape)
    with pytest.raises(ValueError, match="`memory` must be given exactly if"):
        block(HIDDEN, MASK)


@pytest.mark.parametrize("activation", ["gelu", "gelu_erf", "tanh"])
@pytest.mark.parametrize("fused", [False, True])
def test_an_activation_and_the_next_product(activation, fused):
    layer, dense = ActivatedDense(6, activation), Dense(4)
    layer.build(HIDDEN.shape)
    dense.build((None, None, 6))
    expected = dense.project(layer(HIDDEN, fused=fused))
    actual = layer.project_by(dense, HIDDEN, fused=fused)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)
