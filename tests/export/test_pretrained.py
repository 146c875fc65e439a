"""Which lengths an export takes, and from where."""

import dataclasses

import numpy as np
import pytest
from toy_checkpoint import P, S

from bert_tf.errors import InputError
from bert_tf.tasks.pretraining import pretraining_description
from export.checkpoint import pretrained


def test_lengths_are_those_of_training(folder):
    task = pretraining_description(max_seq_length=8, max_predictions_per_seq=2)
    trained = pretrained.load(dataclasses.replace(folder, task=task))
    assert trained.max_seq_length == 8
    assert trained.task.input_lengths(8)["masked_lm_positions"] == 2


def test_lengths_that_nobody_knows_are_the_models(folder):
    trained = pretrained.load(folder)
    assert trained.max_seq_length == S
    assert trained.task.input_lengths(S)["masked_lm_positions"] == S


def test_a_wish_comes_first(folder):
    trained = pretrained.load(folder, 9, max_predictions_per_seq=P)
    assert trained.max_seq_length == 9
    assert trained.task.input_lengths(9)["masked_lm_positions"] == P


@pytest.mark.parametrize("length", [0, 2, S + 1])
def test_length_beyond_the_position_table(folder, length):
    with pytest.raises(ValueError, match=rf"`max_seq_length`.*{S}.*Received: {length}"):
        pretrained.load(folder, length)


def test_a_checkpoint_without_heads(folder):
    encoder = {
        name: folder.variables[name]
        for name in folder.variables
        if name.startswith("bert/")
    }
    with pytest.raises(ValueError, match="lacks .* 'cls/predictions"):
        pretrained.load(dataclasses.replace(folder, variables=encoder))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(folder, value):
    name = "bert/encoder/layer_1/output/dense/kernel"
    damaged = folder.variables[name].copy()
    damaged[3, 5] = value
    variables = {**folder.variables, name: damaged}
    with pytest.raises(InputError, match=f"1 of the 8192 values of `{name}` are NaN"):
        pretrained.load(dataclasses.replace(folder, variables=variables))


def test_variables_that_were_never_trained_are_told(folder, caplog):
    name = "cls/predictions/output_bias"
    metadata = {**folder.metadata, "newly_initialised": [name]}
    pretrained.load(dataclasses.replace(folder, metadata=metadata))
    assert "1 variables were never trained" in caplog.text
    assert name in caplog.text
