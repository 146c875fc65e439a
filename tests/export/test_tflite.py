"""The TFLite files in LiteRT, beside the Keras model."""

import dataclasses
import importlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from toy_checkpoint import VOCABULARY, P, S, read_examples, write_checkpoint

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.errors import InputError
from bert_tf.models import named_variables
from export.check import tflite_weights
from export.check.backends import KerasBackend
from export.check.litert import TFLiteBackend
from export.checkpoint import pretrained
from export.tflite import converter, graph_changes, graph_file, quantizer
from export.tflite.inputs import read_inputs
from export.tflite.quantizations import QUANTIZATIONS

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
    (tmp_path / "erf.tflite").write_bytes(converter.convert(trained, "none"))
    expected = KerasBackend(trained.model).predict(inputs)["masked_lm_logits"]
    found = TFLiteBackend(tmp_path / "erf.tflite", num_threads=1).predict(inputs)
    np.testing.assert_allclose(found["masked_lm_logits"], expected, atol=1e-4)


def test_wildcards_in_the_path_do_not_matter(tmp_path, trained):
    scratch = tmp_path / "v[1]*, a b"
    scratch.mkdir()
    content = converter.convert(trained, "none", scratch_dir=scratch)
    assert content[4:8] == b"TFL3"
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("quantization", "error"),
    [("float16", 2e-3), ("dynamic_int8", 0.05), ("int8", 0.2), ("int4", 0.4)],
)
def test_quantized_files_stay_near_keras(
    tflite_files, model, inputs, quantization, error
):
    # The weights are noise, which no format with few bits holds well.
    expected = KerasBackend(model).predict(inputs)["masked_lm_logits"]
    backend = TFLiteBackend(tflite_files[quantization], num_threads=1)
    found = backend.predict(inputs)["masked_lm_logits"]
    assert 0 < np.linalg.norm(found - expected) / np.linalg.norm(expected) < error


@pytest.mark.parametrize(
    ("quantization", "dtype"),
    [
        ("none", "FLOAT32"),
        ("float16", "FLOAT16"),
        ("dynamic_int8", "INT8"),
        ("int8", "INT8"),
        ("int4", "INT4"),
    ],
)
def test_every_weight_of_the_checkpoint_is_named_and_quantized(
    tflite_files, model, quantization, dtype
):
    weights = tflite_weights.weights(tflite_files[quantization].read_bytes())
    found = {weight.name: weight for weight in weights}
    expected = {
        name
        for name, value in named_variables(model).items()
        if value.ndim == 2 and "position" not in name
    }
    assert set(found) == expected
    for name, weight in found.items():
        wanted = dtype
        if weight.size < 1024:
            wanted = "FLOAT32"
        assert weight.dtype == wanted, name


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_the_table_of_words_stands_once(tflite_files, model, quantization):
    content = tflite_files[quantization].read_bytes()
    uses = [
        weight
        for weight in tflite_weights.weights(content)
        if weight.name == "bert/embeddings/word_embeddings"
    ]
    assert {use.operator for use in uses} == {"EMBEDDING_LOOKUP", "FULLY_CONNECTED"}
    shape = model.bert.embeddings.word_embeddings.shape
    sizes = {"none": 4, "float16": 2, "int4": 0.5}
    assert {use.num_bytes for use in uses} == {
        shape[0] * shape[1] * sizes.get(quantization, 1)
    }
    graph = graph_file.read(content)
    buffers = [b.data for b in graph.buffers if b.data is not None]
    large = [len(data) for data in buffers if len(data) == uses[0].num_bytes]
    assert len(large) == 1


def test_values_behind_the_flatbuffer_count(tflite_files):
    name = "bert/embeddings/word_embeddings"
    graph = graph_file.read(tflite_files["dynamic_int8"].read_bytes())
    (tensor,) = (t for t in graph.subgraphs[0].tensors if t.name == name.encode())
    buffer = graph.buffers[tensor.buffer]
    expected = buffer.size = len(buffer.data)
    buffer.data, buffer.offset = None, 4096
    found = {
        weight.name: (weight.dtype, weight.num_bytes)
        for weight in tflite_weights.weights(graph_file.write(graph))
    }
    assert found[name] == ("INT8", expected)


def test_no_constant_is_beyond_half_precision(tflite_files):
    graph = graph_file.read(tflite_files["none"].read_bytes())
    values = [graph_file.constant(graph, t) for t in graph.subgraphs[0].tensors]
    assert max(np.abs(v).max() for v in values if v is not None) == graph_changes.BOUND


def test_the_summary_says_what_stayed_float(tflite_files):
    content = tflite_files["dynamic_int8"].read_bytes()
    lines = tflite_weights.summary(content, min_elements=1024).splitlines()
    assert "weights in int8" in lines[0] or "weights in int8" in lines[1]
    (line,) = [line for line in lines if "seq_relationship" in line]
    assert line.endswith("[2 x 64]: fewer than 1,024 values")
    assert "SOFTMAX 2" in lines[-1]
    lines = tflite_weights.summary(tflite_files["none"].read_bytes()).splitlines()
    assert not any("stayed" in line for line in lines)


def test_smaller_formats_make_smaller_files(tflite_files):
    sizes = [tflite_files[name].stat().st_size for name in QUANTIZATIONS]
    float32, float16, dynamic, _, int4 = sizes
    assert int4 < dynamic < float16 < float32


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
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


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_needs_only_built_in_operations(tflite_files, inputs, quantization):
    interpreter = Interpreter(
        model_path=str(tflite_files[quantization]),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    run = interpreter.get_signature_runner("serving_default")
    outputs = run(**{name: value[:1] for name, value in inputs.items()})
    assert np.isfinite(outputs["masked_lm_logits"]).all()


def test_errors(tflite_files, trained, records_dir):
    content = tflite_files["none"].read_bytes()
    with pytest.raises(InputError, match=r"one of .*Received: 'int3'"):
        quantizer.quantize(content, "int3")
    with pytest.raises(InputError, match="at least 8 examples .*Received: 1$"):
        one = read_inputs(trained, str(records_dir), 1)
        quantizer.calibrate(content, "int8", one)
    everything = {weight.name for weight in tflite_weights.weights(content)}
    with pytest.raises(InputError, match="int4: nothing is left to quantize"):
        quantizer.quantize(content, "int4", keep_float=everything)


def test_weights_to_keep_stay_float(tflite_files):
    content = quantizer.quantize(
        tflite_files["none"].read_bytes(),
        "dynamic_int8",
        keep_float={"bert/encoder/layer_0/output/dense/kernel"},
    )
    floats = {w.name for w in tflite_weights.weights(content) if w.dtype == "FLOAT32"}
    assert "bert/encoder/layer_0/output/dense/kernel" in floats
    assert "bert/encoder/layer_1/output/dense/kernel" not in floats
    lines = tflite_weights.summary(content, keep_float=floats)
    assert "layer_0/output/dense/kernel [64 x 128]: asked for" in lines


@pytest.fixture
def serve(trained, monkeypatch):
    """Has the model's outputs go through a function."""
    serve_ids = trained.task.serve_ids

    def install(last):
        def changed(model):
            function = serve_ids(model).function
            return dataclasses.replace(
                serve_ids(model),
                function=lambda given: {n: last(v) for n, v in function(given).items()},
            )

        monkeypatch.setattr(trained.task, "serve_ids", changed)

    return install


def test_operations_that_phones_lack_are_refused(trained, serve):
    serve(lambda value: tf.math.cumulative_logsumexp(value, axis=-1))
    with pytest.raises(
        InputError, match=r"set: CumulativeLogsumexp\..*pass --allow_select_ops"
    ):
        converter.convert_float(trained)
    content = converter.convert_float(trained, allow_select_ops=True)
    assert tflite_weights.operator_counts(content)["FlexCumulativeLogsumexp"] == 2
    serve(lambda value: tf.math.igamma(value, value))
    with pytest.raises(InputError, match=r"set: Igamma\..*no phone has them"):
        converter.convert_float(trained, allow_select_ops=True)


def test_without_litert_its_extra_is_named(monkeypatch, tmp_path):
    from export.check.litert import TFLiteBackend

    for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    for name, doing in (
        ("export.tflite.quantizer", "Quantizing"),
        ("export.tflite.graph_file", "Writing"),
        ("export.check.tflite_weights", "Reading"),
    ):
        with pytest.raises(InputError, match=rf"{doing} a TFLite .*bert-tf\[mobile\]"):
            monkeypatch.delitem(sys.modules, name)
            importlib.import_module(name)
    with pytest.raises(InputError, match=r"Running a TFLite .*bert-tf\[mobile\]"):
        TFLiteBackend(tmp_path / "any.tflite", num_threads=1)
