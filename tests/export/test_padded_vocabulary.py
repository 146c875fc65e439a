"""A model with more rows of embeddings than its vocabulary has entries."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from toy_checkpoint import VOCABULARY, P

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from export.checkpoint import pretrained
from export.saved_model import saving
from export.tflite import converter

pytestmark = pytest.mark.slow

SURPLUS = 3
TEXT = ["The [MASK] of the union is [MASK]."]


@pytest.fixture(scope="module")
def padded(tmp_path_factory, folder):
    """The toy checkpoint, with rows that its model would choose everywhere."""
    variables = dict(folder.variables)
    for name, value in (
        ("bert/embeddings/word_embeddings", 0.0),
        ("cls/predictions/output_bias", 1e3),
    ):
        shape = (SURPLUS, *variables[name].shape[1:])
        rows = np.full(shape, value, np.float32)
        variables[name] = np.concatenate([variables[name], rows])
    path = tmp_path_factory.mktemp("padded") / "model"
    save_model_folder(
        path,
        config=dataclasses.replace(folder.config, vocab_size=len(VOCABULARY) + SURPLUS),
        variables=variables,
        vocabulary=folder.vocabulary,
    )
    return pretrained.load(load_model_folder(path), max_predictions_per_seq=P)


def test_fillings_are_entries(tmp_path, padded, trained):
    saving.save(tmp_path / "padded", padded)
    saving.save(tmp_path / "plain", trained)
    answers = []
    for name in ("padded", "plain"):
        served = tf.saved_model.load(tmp_path / name)
        answers.append(served.signatures["serving_default"](text=tf.constant(TEXT)))
    np.testing.assert_array_equal(answers[0]["tokens"], answers[1]["tokens"])
    np.testing.assert_allclose(
        answers[0]["probabilities"], answers[1]["probabilities"], rtol=1e-6
    )


def test_logits_are_those_of_entries(padded):
    length = padded.max_seq_length
    inputs = {
        name: np.ones([1, size], np.int32)
        for name, size in padded.task.input_lengths(length).items()
    }
    assert padded.model(inputs)["masked_lm_logits"].shape == (1, P, len(VOCABULARY))
    interpreter = Interpreter(model_content=converter.convert(padded, "none"))
    outputs = interpreter.get_signature_runner("serving_default")(**inputs)
    assert outputs["masked_lm_logits"].shape == (1, P, len(VOCABULARY))
