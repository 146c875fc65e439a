"""Plain Keras: compile, fit, predict, save."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.models import BertEncoder, BertPretrainer, named_variables

# Keras' own writing of variables, under NumPy 2.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

CONFIG = BertConfig(
    vocab_size=31,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=16,
)


@pytest.fixture(scope="module")
def data():
    """Each masked token is the one before it; its second token decides the pair."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 31, (64, 8)).astype(np.int32)
    positions = np.tile([[2, 5]], (64, 1)).astype(np.int32)
    labels = ids[:, [1, 4]]
    ids[:, [2, 5]] = 4
    return {
        "input_ids": ids,
        "input_mask": np.ones_like(ids),
        "segment_ids": np.zeros_like(ids),
        "masked_lm_positions": positions,
    }, {
        "masked_lm_logits": labels,
        "next_sentence_logits": (ids[:, 1] > 15).astype(np.int32),
    }


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    names = ("masked_lm_logits", "next_sentence_logits")
    model.compile(keras.optimizers.Adam(3e-3), loss={n: loss for n in names})
    return model


def few(inputs):
    return {name: tf.constant(values[:4]) for name, values in inputs.items()}


def test_dropout_without_a_seed(data):
    inputs = few(data[0])

    def calls(**arguments):
        model = BertPretrainer(CONFIG, seed=1)
        return [
            model(inputs, training=training, **arguments)["masked_lm_logits"].numpy()
            for training in (False, True, True, False)
        ]

    before, first, second, after = calls()
    np.testing.assert_array_equal(before, after)
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(first - before).max() > 1e-3
    # The same seed, the same numbers, for the model's own seeds and for given ones.
    for actual, expected in zip(calls(), [before, first, second, after], strict=True):
        np.testing.assert_array_equal(actual, expected)
    _, first, second, _ = calls(dropout_seed=tf.constant([3, 4]))
    np.testing.assert_array_equal(first, second)
    # In a graph, each run draws anew.
    model = BertPretrainer(CONFIG, seed=1)
    run = tf.function(lambda: model.bert(inputs, training=True)["pooled_output"])
    assert np.abs(run() - run()).max() > 1e-3


def test_the_generators_state_is_no_weight():
    model = BertPretrainer(CONFIG)
    assert not any("seed" in name for name in named_variables(model))
    assert len(model.variables) > len(named_variables(model))


def test_fit_predict_save(tmp_path, data):
    inputs, labels = data
    model = compiled(BertPretrainer(CONFIG, seed=1))
    history = model.fit(inputs, labels, epochs=4, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    predicted = model.predict(inputs, batch_size=32, verbose=0)
    again = model.predict(inputs, batch_size=32, verbose=0)
    assert predicted["masked_lm_logits"].shape == (64, 2, 31)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    restored = loaded.predict(inputs, batch_size=32, verbose=0)
    for name, value in predicted.items():
        np.testing.assert_array_equal(again[name], value)
        np.testing.assert_array_equal(restored[name], value)
    # Training goes on alike in both. Keras saves no generator's state.
    loaded.seed_generator.state.assign(model.seed_generator.state)
    for one in (model, loaded):
        one.fit(inputs, labels, batch_size=16, shuffle=False, verbose=0)
    for name, variable in named_variables(model).items():
        np.testing.assert_array_equal(named_variables(loaded)[name], variable)


def test_an_encoder_alone(tmp_path, data):
    encoder = BertEncoder(CONFIG, seed=2)
    outputs = encoder(data[0])  # Builds it.
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    for name, value in loaded(data[0]).items():
        np.testing.assert_array_equal(value, outputs[name])
