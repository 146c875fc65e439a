import dataclasses
import importlib.resources

import numpy as np
import pytest

from bert_tf.checkpoints.conversion import ModelWeights, names
from bert_tf.config import BertConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

WORDS = "the of heart ##s ##ache card ##iac caf ##é 心 \u2028 ##i".split(" ")
CONFIG = BertConfig(
    vocab_size=len(SPECIAL_TOKENS) + len(WORDS),
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=10,
    hidden_dropout_prob=0.2,
    attention_probs_dropout_prob=0.3,
    initializer_range=0.05,
)


def random_arrays(shapes):
    generator = np.random.default_rng(1)
    return {
        name: generator.standard_normal(shape, dtype=np.float32)
        for name, shape in shapes.items()
    }


def make_vocabulary(*words, **settings):
    """A vocabulary of these entries after the special ones."""
    entries = [*SPECIAL_TOKENS, *words]
    return Vocabulary.from_entries(entries, TokenizerConfig(**settings))


@pytest.fixture(name="make_vocabulary")
def fixture_of_make_vocabulary():
    return make_vocabulary


@pytest.fixture(scope="session")
def make_weights():
    """Makes a tiny BERT of random weights: the parts and fields asked for."""

    def make(*, shapes=names.pretrainer, config=None, **fields):
        config = dataclasses.replace(config or CONFIG)
        settings = {
            "format": "native",
            "config": config,
            "variables": random_arrays(shapes(config)),
            "vocabulary": make_vocabulary(*WORDS),
        }
        return ModelWeights(**settings | fields)

    return make


@pytest.fixture
def assert_same():
    """Compares two `ModelWeights` in all that a format can carry, to the bit."""

    def compare(received, expected):
        assert received.config == expected.config
        assert received.vocabulary == expected.vocabulary
        assert received.task == expected.task
        assert set(received.variables) == set(expected.variables)
        for name, array in expected.variables.items():
            assert received.variables[name].dtype == np.float32
            np.testing.assert_array_equal(received.variables[name], array, name)
        assert received.left_over == {}

    return compare


@pytest.fixture
def package_folder():
    """Returns the folder of a package that carries real weights."""

    def find(package, *parts):
        return importlib.resources.files(package).joinpath(*parts)

    return find
