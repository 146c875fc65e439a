"""Outputs and gradients of the encoder against KerasHub's `BertBackbone`."""

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.conversion.keras_hub import make_backbone
from bert_tf.config import BertConfig
from bert_tf.models import BertEncoder, named_variables

TOLERANCE = 1e-5
CONFIG = BertConfig(
    vocab_size=37,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=16,
)


def keras_hub_variables(backbone):
    """Returns the backbone's variables by our names."""

    def norm(layer):
        return {"LayerNorm/gamma": layer.gamma, "LayerNorm/beta": layer.beta}

    def dense(layer):
        return {"dense/kernel": layer.kernel, "dense/bias": layer.bias}

    def under(prefix, variables):
        return {f"{prefix}/{name}": variable for name, variable in variables.items()}

    embedding = backbone.get_layer("token_embedding").embeddings
    names = {
        "embeddings/word_embeddings": embedding,
        "embeddings/token_type_embeddings": backbone.get_layer(
            "segment_embedding"
        ).embeddings,
        "embeddings/position_embeddings": backbone.get_layer(
            "position_embedding"
        ).position_embeddings,
        **under("embeddings", norm(backbone.get_layer("embeddings_layer_norm"))),
        **under("pooler", dense(backbone.get_layer("pooled_dense"))),
    }
    for index in range(CONFIG.num_hidden_layers):
        layer = backbone.get_layer(f"transformer_layer_{index}")
        attention = layer._self_attention_layer
        for part in ("query", "key", "value"):
            projection = getattr(attention, f"{part}_dense")
            for weight in ("kernel", "bias"):
                name = f"encoder/layer_{index}/attention/self/{part}/{weight}"
                names[name] = getattr(projection, weight)
        for prefix, variables in (
            ("attention/output", dense(attention.output_dense)),
            ("attention/output", norm(layer._self_attention_layer_norm)),
            ("intermediate", dense(layer._feedforward_intermediate_dense)),
            ("output", dense(layer._feedforward_output_dense)),
            ("output", norm(layer._feedforward_layer_norm)),
        ):
            names |= under(f"encoder/layer_{index}/{prefix}", variables)
    return names


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def test_outputs_and_gradients():
    rng = np.random.default_rng(0)
    encoder = BertEncoder(CONFIG)
    encoder.build()
    backbone = make_backbone(CONFIG)
    ours, theirs = named_variables(encoder), keras_hub_variables(backbone)
    assert set(ours) == set(theirs)
    for name, variable in ours.items():
        value = rng.normal(name.endswith("gamma"), 0.2, variable.shape)
        variable.assign(value)
        theirs[name].assign(value.reshape(theirs[name].shape))

    ids = rng.integers(0, CONFIG.vocab_size, (3, 11))
    mask = (np.arange(11) < [[11], [6], [8]]).astype(np.int32)
    segments = rng.integers(0, 2, (3, 11))
    # Outputs at padding count for nothing.
    weights = [rng.normal(size=(3, 11, 24)) * mask[..., None], rng.normal(size=(3, 24))]

    def gradients(call, variables):
        with tf.GradientTape() as tape:
            outputs = call()
            loss = tf.add_n(
                [tf.reduce_sum(o * w) for o, w in zip(outputs, weights, strict=True)]
            )
        values = {name: variable.value for name, variable in variables.items()}
        found = tape.gradient(loss, values)
        outputs = [outputs[0] * mask[..., None], outputs[1]]
        return outputs, {n: tf.convert_to_tensor(g) for n, g in found.items()}

    def call_theirs():
        outputs = backbone(
            {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}
        )
        return outputs["sequence_output"], outputs["pooled_output"]

    def call_ours():
        outputs = encoder(
            {"input_ids": ids, "input_mask": mask, "segment_ids": segments}, fused=True
        )
        return outputs["sequence_output"], outputs["pooled_output"]

    outputs, found = gradients(call_ours, ours)
    their_outputs, expected = gradients(call_theirs, theirs)
    for actual, their_output in zip(outputs, their_outputs, strict=True):
        assert relative_error(actual, their_output) < TOLERANCE
    for name, gradient in found.items():
        their_gradient = tf.reshape(expected[name], gradient.shape)
        if name.endswith("self/key/bias"):
            # Softmax does not change when all of a query's scores do: exactly 0.
            assert np.abs(gradient).max() < 1e-4, name
        else:
            assert relative_error(gradient, their_gradient) < TOLERANCE, name
