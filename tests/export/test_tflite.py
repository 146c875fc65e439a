"""The TFLite files in LiteRT, beside the Keras model."""

import importlib
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from toy_checkpoint import VOCABULARY, P, S, read_examples, write_checkpoint

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.errors import InputError
from export import pretrained, tflite
from export.backends import KerasBackend, TFLiteBackend
from export.tflite_weights import product_weights

pytestmark = pytest.mark.slow

MODEL_INPUTS = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")


@pytest.fixture(scope="module")
def inputs(records_dir):
    examples = read_examples(records_dir)
    return {name: examples[name] for name in MODEL_INPUTS}


def test_float32_agrees_with_keras(tflite_files, model, inputs):
    expected = KerasBackend(model).predict(inputs)
    found = TFLiteBackend(tflite_files["none"], num_threads=1).predict(inputs)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_exact_gelu_agrees_with_keras(tmp_path, inputs):
    folder = load_model_folder(write_checkpoint(tmp_path / "model", "gelu_erf"))
    trained = pretrained.load(folder, max_predictions_per_seq=P)
    (tmp_path / "erf.tflite").write_bytes(tflite.convert(trained, "none"))
    expected = KerasBackend(trained.model).predict(inputs)["masked_lm_logits"]
    found = TFLiteBackend(tmp_path / "erf.tflite", num_threads=1).predict(inputs)
    np.testing.assert_allclose(found["masked_lm_logits"], expected, atol=1e-4)


def test_wildcards_in_the_path_do_not_matter(tmp_path, trained):
    scratch = tmp_path / "v[1]*, a b"
    scratch.mkdir()
    content = tflite.convert(trained, "none", scratch_dir=scratch)
    assert content[4:8] == b"TFL3"
    assert not list(scratch.iterdir())


def test_int8_stays_near_keras(tflite_files, model, inputs):
    expected = KerasBackend(model).predict(inputs)["masked_lm_logits"]
    backend = TFLiteBackend(tflite_files["dynamic_int8"], num_threads=1)
    found = backend.predict(inputs)["masked_lm_logits"]
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < 0.05


def test_int8_holds_every_large_product_in_int8(tflite_files):
    products = product_weights(tflite_files["dynamic_int8"].read_bytes())
    # Per layer query/key/value, output and two feed-forward; pooler, both heads.
    assert len(products) >= 2 * 4 + 4
    floats = [weight.shape for weight in products if weight.dtype != "INT8"]
    # The converter leaves weights of less than 1,024 values alone.
    assert floats == [(2, 64)]
    assert all(
        weight.dtype == "FLOAT32"
        for weight in product_weights(tflite_files["none"].read_bytes())
    )


def test_int8_is_much_smaller(tflite_files):
    sizes = {name: path.stat().st_size for name, path in tflite_files.items()}
    assert sizes["dynamic_int8"] < 0.5 * sizes["none"]


@pytest.mark.parametrize("quantization", tflite.QUANTIZATIONS)
def test_the_signature_names_inputs_and_outputs(tflite_files, quantization):
    interpreter = Interpreter(model_path=str(tflite_files[quantization]))
    assert interpreter.get_signature_list() == {
        "serving_default": {
            "inputs": sorted(MODEL_INPUTS),
            "outputs": ["masked_lm_logits", "next_sentence_logits"],
        }
    }
    run = interpreter.get_signature_runner("serving_default")
    shapes = {
        name: (details["dtype"], list(details["shape"]))
        for details_by_name in (run.get_input_details(), run.get_output_details())
        for name, details in details_by_name.items()
    }
    assert shapes == {
        "input_ids": (np.int32, [1, S]),
        "input_mask": (np.int32, [1, S]),
        "segment_ids": (np.int32, [1, S]),
        "masked_lm_positions": (np.int32, [1, P]),
        "masked_lm_logits": (np.float32, [1, P, len(VOCABULARY)]),
        "next_sentence_logits": (np.float32, [1, 2]),
    }


@pytest.mark.parametrize("quantization", tflite.QUANTIZATIONS)
def test_needs_only_built_in_operations(tflite_files, inputs, quantization):
    interpreter = Interpreter(
        model_path=str(tflite_files[quantization]),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    run = interpreter.get_signature_runner("serving_default")
    outputs = run(**{name: value[:1] for name, value in inputs.items()})
    assert np.isfinite(outputs["masked_lm_logits"]).all()


def test_unknown_quantization(trained):
    with pytest.raises(ValueError, match=r"one of .*Received: 'int4'"):
        tflite.convert(trained, "int4")


def test_without_litert_its_extra_is_named(monkeypatch, tmp_path):
    from export.backends import TFLiteBackend

    for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "export.tflite_weights")
    with pytest.raises(InputError, match=r"Reading a TFLite .*bert-tf\[mobile\]"):
        importlib.import_module("export.tflite_weights")
    with pytest.raises(InputError, match=r"Running a TFLite .*bert-tf\[mobile\]"):
        TFLiteBackend(tmp_path / "any.tflite", num_threads=1)
