"""The door through which every kernel goes before it is multiplied."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.dense import Dense
from bert_tf.models import BertPretrainer, named_variables

CONFIG = BertConfig(
    vocab_size=31,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=16,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
INPUTS = {
    "input_ids": tf.constant([[2, 7, 9, 3], [2, 5, 3, 0]]),
    "input_mask": tf.constant([[1, 1, 1, 1], [1, 1, 1, 0]]),
    "segment_ids": tf.zeros([2, 4], tf.int32),
    "masked_lm_positions": tf.constant([[1, 2], [1, 1]]),
}


def dense_layers(layer):
    if isinstance(layer, Dense):
        yield layer
    for child in layer._layers:
        yield from dense_layers(child)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_a_transform_acts_as_if_the_weights_were_so(fused, policy):
    plain, transformed = (BertPretrainer(CONFIG, seed=1, dtype=policy) for _ in "ab")
    rng = np.random.default_rng(0)
    factors = {}
    for name, variable in named_variables(plain).items():
        if name.endswith(("kernel", "word_embeddings")):
            factors[name] = rng.integers(0, 2, variable.shape) * np.float32(2)
            variable.assign(variable * factors[name])

    def multiply(name):
        def transform(weight):
            assert weight.dtype == tf.float32
            return weight * factors.pop(name)

        return transform

    root = f"{transformed.name}/"
    for dense in dense_layers(transformed):
        name = dense.kernel.path.removeprefix(root)
        dense.kernel_transform = multiply(name)
    embeddings = transformed.bert.embeddings
    masks = {n: factors[n] for n in factors}
    table = "bert/embeddings/word_embeddings"
    # The table is used twice: looked up, and as output weights.
    embeddings.word_embeddings_transform = lambda table_VH: table_VH * masks[table]
    del factors[table]
    count = len(factors)
    assert count == 6 * CONFIG.num_hidden_layers + 2

    with tf.GradientTape() as tape:
        outputs = transformed(INPUTS, fused=fused)
        loss = tf.reduce_sum(tf.square(outputs["masked_lm_logits"]))
    assert not factors  # Each was used, once.
    for name, expected in plain(INPUTS, fused=fused).items():
        np.testing.assert_array_equal(outputs[name], expected)

    variables = named_variables(transformed)
    gradients = tape.gradient(loss, {n: variables[n].value for n in masks})
    for name, mask in masks.items():
        if name.startswith(("bert/pooler", "cls/seq")):
            continue
        gradient = tf.convert_to_tensor(gradients[name]).numpy()
        assert np.abs(gradient).max() > 0, name
        assert not gradient[mask == 0].any(), name
