"""Starting a model from weights of any format."""

import dataclasses

import numpy as np
import pytest

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names, resizing
from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer, named_variables
from bert_tf.models.variables import assign_variables
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training.init_from import initialize


@pytest.fixture
def model(make_weights):
    return BertPretrainer(make_weights().config, seed=5)


def snapshot(model):
    return {name: v.numpy() for name, v in named_variables(model).items()}


def test_the_model_has_the_names_and_shapes_that_converters_write(model):
    assert {
        name: tuple(variable.shape) for name, variable in named_variables(model).items()
    } == names.pretrainer(model.config)


@pytest.mark.parametrize("format", ["native", "hugging_face", "tf1", "model_garden"])
def test_every_format_starts_a_model(tmp_path, make_weights, model, format):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", format)

    done = initialize(model, weights.config, weights.vocabulary, tmp_path / "model")

    assert done.missing == [] and done.left_over == []
    assert sorted(done.assigned) == sorted(weights.variables)
    for name, array in snapshot(model).items():
        np.testing.assert_array_equal(array, weights.variables[name])


def test_missing_heads_keep_their_initial_values(tmp_path, make_weights, model):
    weights = make_weights(shapes=names.encoder)
    conversion.save(weights, tmp_path / "model", "native")
    before = snapshot(model)

    done = initialize(model, weights.config, weights.vocabulary, tmp_path / "model")

    assert set(done.missing) == set(weights.missing)
    after = snapshot(model)
    for name in done.missing:
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_act", "gelu_erf"), ("num_hidden_layers", 2), ("layer_norm_eps", 1e-5)],
)
def test_weights_of_another_configuration_are_refused(
    tmp_path, make_weights, model, field, value
):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", "native")
    config = dataclasses.replace(weights.config, **{field: value})

    with pytest.raises(ValueError, match=f"its {field} is .*--config.model.{field}"):
        initialize(model, config, weights.vocabulary, tmp_path / "model")


def test_weights_of_another_vocabulary_are_refused(tmp_path, make_weights, model):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", "native")
    entries = [*weights.vocabulary.entries[:-1], "other"]
    other = Vocabulary.from_entries(entries, weights.vocabulary.config)

    with pytest.raises(ValueError, match="its vocabulary is not .*convert_checkpoint"):
        initialize(model, weights.config, other, tmp_path / "model")


def padded(weights, make_weights, rows=24):
    """The weights with surplus rows of word embeddings and bias."""
    config = dataclasses.replace(weights.config, vocab_size=rows)
    large = make_weights(config=config)
    for name in (names.WORD_EMBEDDINGS, names.MASKED_LM_BIAS):
        large.variables[name][: len(weights.vocabulary)] = weights.variables[name]
    large.variables = weights.variables | {
        name: large.variables[name]
        for name in (names.WORD_EMBEDDINGS, names.MASKED_LM_BIAS)
    }
    return large


@pytest.mark.parametrize("format", ["native", "hugging_face", "tf1", "model_garden"])
def test_rows_without_entries_stay_behind(tmp_path, make_weights, model, format):
    weights = make_weights()
    large = padded(weights, make_weights)
    conversion.save(large, tmp_path / "model", format)
    # On the way from format to format they are kept.
    back = conversion.load_any(tmp_path / "model")
    assert back.config.vocab_size == 24 and len(back.vocabulary) == 17
    for name, array in large.variables.items():
        np.testing.assert_array_equal(back.variables[name], array)

    initialize(model, weights.config, weights.vocabulary, tmp_path / "model")

    for name, array in snapshot(model).items():
        np.testing.assert_array_equal(array, weights.variables[name])


def test_rows_of_weights_without_a_vocabulary_must_fit(tmp_path, make_weights, model):
    weights = make_weights()
    large = padded(weights, make_weights)
    large.vocabulary = None
    conversion.save(large, tmp_path / "model", "tf1")

    with pytest.raises(InputError, match=r"its 24 rows .* 17 entries.*--vocab_file="):
        initialize(model, weights.config, weights.vocabulary, tmp_path / "model")

    # What the message advises leads on.
    adapted = resizing.with_vocabulary(
        conversion.load_any(tmp_path / "model"), weights.vocabulary
    )
    conversion.save(adapted, tmp_path / "adapted", "native")
    initialize(model, weights.config, weights.vocabulary, tmp_path / "adapted")
    for name, array in snapshot(model).items():
        np.testing.assert_array_equal(array, weights.variables[name])


def test_weights_of_a_tokenizer_of_another_case_are_refused(
    tmp_path, make_weights, model
):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", "native")
    cased = TokenizerConfig(do_lower_case=False)
    cased = Vocabulary.from_entries(weights.vocabulary.entries, cased)

    with pytest.raises(InputError, match="do_lower_case true, .* do_lower_case false"):
        initialize(model, weights.config, cased, tmp_path / "model")


def test_assigning_is_all_or_nothing(make_weights, model):
    values = make_weights().variables
    before = snapshot(model)

    short = values | {"cls/seq_relationship/output_bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"must have shape \(2,\). Received: \(3,\)"):
        assign_variables(model, short)
    del short["cls/seq_relationship/output_bias"]
    with pytest.raises(
        ValueError, match="lacks 1 variables .*seq_relationship/output_"
    ):
        assign_variables(model, short)
    for name, array in snapshot(model).items():
        np.testing.assert_array_equal(array, before[name])

    done = assign_variables(model, values | {"output_bias": np.zeros(2, np.float32)})
    assert done.left_over == ["output_bias"]
