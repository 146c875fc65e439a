"""Outputs and gradients of the encoder against Model Garden's `BertEncoderV2`."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import conversion
from bert_tf.config import BertConfig
from bert_tf.models import BertEncoder, named_variables

pytestmark = pytest.mark.garden

TOLERANCE = 1e-5
CONFIG = BertConfig(
    vocab_size=37,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=16,
)


def by_our_names(encoder, values, path):
    """Has the conversion of checkpoints name values of the encoder's variables."""
    for variable, value in zip(encoder.trainable_variables, values, strict=True):
        variable.assign(value)
    path.mkdir()
    tf.train.Checkpoint(encoder=encoder).write(str(path / "bert_model.ckpt"))
    variables = conversion.load_any(path).variables
    return {name.removeprefix("bert/"): np.array(v) for name, v in variables.items()}


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def test_outputs_and_gradients(tmp_path):
    from official.modeling import tf_utils
    from official.nlp.modeling import networks

    rng = np.random.default_rng(0)
    theirs = networks.BertEncoderV2(
        vocab_size=CONFIG.vocab_size,
        hidden_size=CONFIG.hidden_size,
        num_layers=CONFIG.num_hidden_layers,
        num_attention_heads=CONFIG.num_attention_heads,
        max_sequence_length=CONFIG.max_position_embeddings,
        type_vocab_size=CONFIG.type_vocab_size,
        inner_dim=CONFIG.intermediate_size,
        inner_activation=tf_utils.get_activation("gelu"),
    )
    ids = rng.integers(0, CONFIG.vocab_size, (3, 11)).astype(np.int32)
    mask = (np.arange(11) < [[11], [6], [8]]).astype(np.int32)
    segments = rng.integers(0, 2, (3, 11)).astype(np.int32)
    inputs = {
        "input_word_ids": ids,
        "input_mask": mask,
        "input_type_ids": segments,
    }
    theirs(inputs)
    values = [
        rng.normal("gamma" in variable.name, 0.2, variable.shape)
        for variable in theirs.trainable_variables
    ]
    # Outputs at padding count for nothing.
    weights = [rng.normal(size=(3, 11, 24)) * mask[..., None], rng.normal(size=(3, 24))]

    def loss_of(outputs):
        terms = zip(outputs, weights, strict=True)
        return tf.add_n([tf.reduce_sum(o * w) for o, w in terms])

    variables = by_our_names(theirs, values, tmp_path / "variables")
    with tf.GradientTape() as tape:
        found = theirs(inputs)
        expected = found["sequence_output"], found["pooled_output"]
        loss = loss_of(expected)
    gradients = tape.gradient(loss, theirs.trainable_variables)
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    expected_gradients = by_our_names(theirs, gradients, tmp_path / "gradients")

    ours = BertEncoder(CONFIG)
    ours.build()
    ours_by_name = named_variables(ours)
    assert set(ours_by_name) == set(variables)
    for name, variable in ours_by_name.items():
        variable.assign(variables[name])
    with tf.GradientTape() as tape:
        found = ours(
            {"input_ids": ids, "input_mask": mask, "segment_ids": segments}, fused=True
        )
        outputs = found["sequence_output"], found["pooled_output"]
        loss = loss_of(outputs)
    for actual, their_output, weight in zip(outputs, expected, weights, strict=True):
        real = weight != 0
        assert relative_error(actual[real], their_output[real]) < TOLERANCE
    found = tape.gradient(loss, {n: v.value for n, v in ours_by_name.items()})
    for name, gradient in found.items():
        gradient = tf.convert_to_tensor(gradient)
        if name.endswith("self/key/bias"):
            # Softmax does not change when all of a query's scores do: exactly 0.
            assert np.abs(gradient).max() < 1e-4, name
        else:
            assert relative_error(gradient, expected_gradients[name]) < TOLERANCE, name
