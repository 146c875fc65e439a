"""Int8 files of models that were trained for them, beside what training computed."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
from toy_checkpoint import WORDS

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.checkpoints.quantization_ranges import Range
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression import int8_products
from bert_tf.compression.quantization import QuantizationTask
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import named_variables
from bert_tf.ops import fake_quantization as fake
from bert_tf.tasks.catalog import create_task
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.check import tflite_weights
from export.check.backends import KerasBackend
from export.check.litert import TFLiteBackend
from export.checkpoint import pretrained
from export.tflite import accuracy_gate, converter, exporter, graph_file, quantizer
from export.tflite.settings import Settings

pytestmark = pytest.mark.slow

LENGTH = 16
LABELS = tuple(f"label {index}" for index in range(20))
# With enough values for the tables of words and segments to be int8, too.
VOCABULARY = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, *WORDS, *"abcdfghijklmnopqrstuvwxyz"], TokenizerConfig()
)
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    max_position_embeddings=LENGTH,
    type_vocab_size=16,
)
DESCRIPTIONS = {
    "classification": TaskDescription("classification", LENGTH, LABELS),
    "token_classification": TaskDescription("token_classification", LENGTH, LABELS),
    "question_answering": TaskDescription("question_answering", LENGTH),
    "embedding": TaskDescription("embedding", LENGTH),
    "extractive_summarization": TaskDescription(
        "extractive_summarization",
        LENGTH,
        settings={"num_inter_sentence_layers": 1},
    ),
}


def make_inputs(task, count=24):
    rng = np.random.default_rng(1)
    shape = [count, LENGTH]
    mask = (np.arange(LENGTH) < rng.integers(8, LENGTH + 1, [count, 1])).astype(int)
    made = {
        "input_ids": rng.integers(5, len(VOCABULARY), shape) * mask,
        "input_mask": mask,
        "segment_ids": (np.arange(LENGTH) >= 6) * mask,
        "cls_positions": np.tile([[0, 3, 5, 7, 0, 0, 0, 0]], [count, 1]),
    }
    lengths = task.input_lengths(LENGTH)
    return {n: made[n][:, :length].astype(np.int32) for n, length in lengths.items()}


def write(folder, description):
    """Writes a model with weights of noise, and ranges as its training leaves them."""
    quantization = QuantizationConfig(export="int8")
    task = QuantizationTask(create_task(description), quantization, num_steps=2)
    model = task.create_model(CONFIG)
    rng = np.random.default_rng(0)
    for name, variable in named_variables(model).items():
        if not name.startswith("compression/"):
            noise = rng.standard_normal(variable.shape, dtype=np.float32)
            variable.assign_add(0.2 * noise)
    for product in int8_products.int8_products(model).values():
        product.observes = True
    model(make_inputs(task))
    task.end_step(
        model, tf.constant(0, tf.int64), tf.constant(True), lambda values: values
    )
    variables = {n: np.asarray(v) for n, v in named_variables(model).items()}
    return save_model_folder(
        folder,
        config=CONFIG,
        variables=variables,
        vocabulary=VOCABULARY,
        task=description,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    return pretrained.load(
        load_model_folder(write(folder, DESCRIPTIONS["classification"]))
    )


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_file_computes_what_training_simulated(name, tmp_path):
    folder = load_model_folder(write(tmp_path / "model", DESCRIPTIONS[name]))
    trained = pretrained.load(folder)
    content = converter.convert_float(trained)
    ranges = quantizer.trained_ranges(content, trained.ranges)
    path = tmp_path / "int8.tflite"
    path.write_bytes(quantizer.quantize(content, "int8", ranges=ranges))
    inputs = make_inputs(trained.task)

    def answers(model):
        return KerasBackend(trained.task.serve_ids(model).function).predict(inputs)

    simulated = answers(pretrained.simulated(trained).model)
    found = TFLiteBackend(path, num_threads=1).predict(inputs)
    for output, plain in answers(trained.model).items():
        lost = np.abs(plain - simulated[output]).max()
        different = np.abs(found[output] - simulated[output])
        # Sums right between two steps may go either way, and others with them.
        assert different.max() < lost, output
        assert np.median(different) < 1e-3 < lost


def test_scales_of_the_file_are_those_of_training(trained):
    content = converter.convert_float(trained)
    ranges = quantizer.trained_ranges(content, trained.ranges)
    graph = graph_file.read(quantizer.quantize(content, "int8", ranges=ranges))
    tensors = graph.subgraphs[0].tensors
    kernels = {}
    for _, operator in graph_file.products(graph):
        inputs, weight, outputs = (
            tensors[index] for index in (*operator.inputs[:2], *operator.outputs)
        )
        around = trained.ranges.get(weight.name.decode())
        if around is None:
            continue
        for tensor, limits in ((inputs, around.inputs), (outputs, around.outputs)):
            steps = fake.activation_steps(limits.minimum, limits.maximum)
            np.testing.assert_allclose(tensor.quantization.scale, steps.scale)
            assert tensor.quantization.zeroPoint == steps.zero_point
        kernels[weight.name.decode()] = weight.quantization.scale
    assert kernels.keys() == trained.ranges.keys()
    for name, scale in kernels.items():
        weight = trained.folder.variables[name]
        axis = 0 if name.endswith("kernel") else 1
        expected = np.abs(weight).max(axis=axis) / 127
        expected /= trained.ranges[name].bounds or 1.0
        np.testing.assert_allclose(scale, expected, rtol=1e-6, err_msg=name)


def export(trained, tmp_path, **settings):
    return exporter.export(trained, Settings(**settings), tmp_path)


def write_texts(path, count=24):
    rng = np.random.default_rng(2)
    rows = ["text,label"]
    rows += [
        f"{' '.join(rng.choice(WORDS[:6], 5))},label {i % 20}" for i in range(count)
    ]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_the_export_needs_no_calibration_and_measures_the_difference(trained, tmp_path):
    texts = write_texts(tmp_path / "texts.csv")
    exported = export(
        trained,
        tmp_path,
        quantization="int8",
        eval_data=texts,
        calibration_data="nobody reads this",
    )
    said = r"mean difference of their outputs is (\S+) .* the largest one (\S+)\."
    mean, largest = map(float, re.search(said, exported.measured).groups())
    assert 0 < mean < accuracy_gate.SIMULATION_TOLERANCE
    assert mean < largest
    assert tflite_weights.rounds_activations(exported.content)
    assert not {path.name for path in tmp_path.iterdir()} - {"texts.csv"}


def test_a_damaged_file_is_told(trained, run_job, tmp_path):
    file = tmp_path / "damaged.tflite"
    file.write_bytes(b"\x7fELF" * 100)
    done = run_job(
        "verify_export",
        checkpoint=trained.folder.path,
        tflite_file=file,
        eval_data=write_texts(tmp_path / "texts.csv"),
        output_file=tmp_path / "report.json",
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"export.verify_export: error: {file}: not a TFLite file")


def test_a_file_that_computes_something_else_is_refused(trained, tmp_path):
    texts = write_texts(tmp_path / "texts.csv")
    wrong = {
        name: dataclasses.replace(each, outputs=Range(-0.1, 0.1))
        for name, each in trained.ranges.items()
    }
    content = converter.convert_float(trained)
    ranges = quantizer.trained_ranges(content, wrong)
    quantized = quantizer.quantize(content, "int8", ranges=ranges)
    settings = Settings("int8", eval_data=texts)
    _, failures = accuracy_gate.measure(trained, content, quantized, settings, tmp_path)
    assert "differ from those that training simulated" in failures[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantization": "int4"}, "trained for int8, and rounding to int4"),
        ({"quantization": "int8", "keep_float": ["layer_0"]}, "--keep_float"),
    ],
)
def test_what_contradicts_the_training(trained, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        export(trained, tmp_path, **settings)


def test_other_files_are_not_what_was_trained(trained, tmp_path, caplog):
    export(trained, tmp_path, quantization="none")
    assert "was not simulated in training" in caplog.text


def test_ranges_of_another_model_are_refused(trained):
    content = converter.convert_float(trained)
    name = "bert/pooler/dense/kernel"
    without = {n: each for n, each in trained.ranges.items() if n != name}
    with pytest.raises(InputError, match=f"no ranges for 1 weights.*{name}"):
        quantizer.trained_ranges(content, without)
    query = "bert/encoder/layer_0/attention/self/query/kernel"
    changed = dataclasses.replace(trained.ranges[query], inputs=Range(-1.0, 1.0))
    with pytest.raises(InputError, match="not those of the other products"):
        quantizer.trained_ranges(content, {**trained.ranges, query: changed})
