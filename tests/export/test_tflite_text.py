"""Files that take text: their tokens, their answers, and what they cannot be."""

import dataclasses
import json
import re
import types

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from samples.sample_texts import CASES, ODD, multilingual, vocabulary_of
from tensorflow_text import tflite_registrar
from toy_checkpoint import VOCABULARY, S

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import join
from bert_tf.tasks.catalog import create_task
from bert_tf.tasks.text_endpoints import TextInputs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.check import litert, tflite_weights, verification
from export.check.litert import TEXT_SIGNATURE
from export.checkpoint import pretrained
from export.tflite import converter, exporter, quantizer, text_input
from export.tflite.settings import Settings

pytestmark = pytest.mark.slow

LABELS = ("bad", "good")
ROWS = [
    {"text": "The state of the union", "text_pair": "is strong .", "label": "good"},
    {"text": "peace, we must work " * 4, "text_pair": "Works", "label": "bad"},
    {"text": "é é working x", "text_pair": "the union " * 9, "label": "good"},
    {"text": "for the state", "text_pair": "", "label": "bad"},
]
PAIRS = {"labels": LABELS, "settings": {"pairs": True}}
TASKS = {
    "classification": {"labels": LABELS},
    "pairs": PAIRS,
    "multi_label": {"labels": LABELS},
    "regression": {"labels": ("score",)},
    "embedding": {"settings": {"pooling": "mean", "normalize": False}},
}


def write_model(path, name, max_seq_length=S, **description):
    """A folder with a model that nobody trained."""
    from bert_tf.models import named_variables

    task = TaskDescription(name, max_seq_length, **description)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=S,
    )
    model = create_task(task).create_model(config, seed=1)
    rng = np.random.default_rng(0)
    variables = {
        name: np.asarray(value)
        + 0.3 * rng.standard_normal(value.shape, dtype=np.float32)
        for name, value in named_variables(model).items()
    }
    vocabulary = Vocabulary.from_entries(VOCABULARY, TokenizerConfig())
    return save_model_folder(
        path, config=config, variables=variables, vocabulary=vocabulary, task=task
    )


def load_model(path, name, max_seq_length=S, **description):
    folder = write_model(path, name, max_seq_length, **description)
    return pretrained.load(load_model_folder(folder), S)


def write_rows(path, *names):
    rows = [{name: row[name] for name in names} for row in 3 * ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def text_runner(content):
    opened = InterpreterWithCustomOps(
        model_content=content,
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
    )
    return opened.get_signature_runner(TEXT_SIGNATURE)


def as_arrays(texts):
    # As objects: NumPy's own strings lose what ends in NUL.
    return {name: np.array([text.encode()], object) for name, text in texts.items()}


def given_back(length):
    """A file that returns what it is given, plus 1."""
    names = ("input_ids", "input_mask", "segment_ids")
    function = tf.function(lambda **given: {f"of_{n}": given[n] + 1 for n in names})
    function = function.get_concrete_function(
        **{name: tf.TensorSpec([1, length], tf.int32, name=name) for name in names}
    )
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [function], tf.Module()
    ).convert()


@pytest.mark.parametrize("config", CASES, ids=str)
def test_tokens_in_every_script(config):
    """Those of the data's own path, for a text and for pairs."""
    length = 40
    texts = [*multilingual(), *ODD]
    vocabulary = vocabulary_of(texts, config)
    tokenizer = BertTokenizer(vocabulary)
    ids = tokenizer.tokenize(texts)
    splits = ids.row_splits.numpy()
    pieces = Pieces(ids.flat_values.numpy(), splits)
    order = np.random.default_rng(0).permutation(len(texts))
    other = Pieces(
        np.concatenate([ids[int(i)].numpy() for i in order]),
        np.concatenate([[0], np.cumsum(np.diff(splits)[order])]),
    )
    trained = types.SimpleNamespace(
        folder=types.SimpleNamespace(vocabulary=vocabulary),
        max_seq_length=length,
        model=None,
    )
    for segments in ([pieces], [pieces, other]):
        expected = join(segments, vocabulary, length)
        settings = {"pairs": len(segments) == 2}
        trained.task = create_task(
            TaskDescription("classification", length, LABELS, settings)
        )
        run = text_runner(text_input.TextInput(trained).add(given_back(length)))
        for row, text in enumerate(texts):
            given = {"text": text, "text_pair": texts[order[row]]}
            given = {name: given[name] for name in list(given)[: len(segments)]}
            found = {n: v[0] - 1 for n, v in run(**as_arrays(given)).items()}
            here = slice(*expected.starts[row : row + 2])
            size = here.stop - here.start
            np.testing.assert_array_equal(
                found["of_input_ids"][:size], expected.input_ids[here], str(given)
            )
            assert set(found["of_input_ids"][size:]) <= {vocabulary.pad_id}
            assert found["of_input_mask"].tolist() == [1] * size + [0] * (length - size)
            np.testing.assert_array_equal(
                found["of_segment_ids"][:size], expected.segment_ids[here]
            )


@pytest.fixture(scope="module", params=list(TASKS))
def trained(request, tmp_path_factory):
    task = {"pairs": "classification"}.get(request.param, request.param)
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(folder / "model", task, **TASKS[request.param])


def test_answers_are_those_of_the_model(trained):
    plain = converter.convert_float(trained)
    tokenizer = text_input.TextInput(trained)
    names = tokenizer.names
    with_text = tokenizer.add(plain)
    run = text_runner(with_text)
    pack = TextInputs(BertTokenizer(trained.folder.vocabulary), S).pack
    for row in ROWS:
        texts = [row[name] for name in names]
        expected = trained.task.serve_ids(trained.model).function(
            pack(*(tf.constant([text]) for text in texts))
        )
        found = run(**as_arrays(dict(zip(names, texts, strict=True))))
        assert found.keys() == expected.keys()
        for output, value in expected.items():
            np.testing.assert_allclose(found[output], value, atol=1e-4)
    weights = {each.name: each for each in tflite_weights.weights(plain)}
    assert weights == {each.name: each for each in tflite_weights.weights(with_text)}
    shared = sum(each.num_bytes for each in weights.values())
    tokenizer_bytes = len(tokenizer.add(given_back(S))) - len(given_back(S))
    assert len(with_text) - len(plain) < tokenizer_bytes + len(plain) - shared


@pytest.mark.parametrize("quantization", ["dynamic_int8", "int8"])
def test_quantized_files_answer_as_to_ids(quantization, tmp_path, monkeypatch):
    monkeypatch.setattr(quantizer, "MIN_ELEMENTS", 1)
    trained = load_model(tmp_path / "model", "classification", **PAIRS)
    rows = write_rows(tmp_path / "rows.jsonl", "text", "text_pair", "label")
    settings = Settings(
        quantization,
        calibration_data=rows,
        eval_data=rows,
        max_metric_drop=1,
        more_lengths=(S // 2,),
        text_input=True,
    )
    exported = exporter.export(trained, settings, tmp_path)
    assert exported.texts == ["text", "text_pair"]
    assert re.search(r"\n +0\.00e\+00 .*its serve_text", exported.measured)
    path = tmp_path / "model.tflite"
    path.write_bytes(exported.content)
    # A runtime without the operations takes ids all the same.
    assert litert.signatures(path) == {
        S: "serving_default",
        S // 2: f"tokens_{S // 2}",
    }


def verify(trained, rows, path):
    return verification.verify(
        trained,
        rows,
        saved_model_dir=None,
        tflite_files=[path],
        texts=[],
        settings=verification.Settings(max_drop=1, latency_calls=1),
    )


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """A model of vectors, a file that takes text, and pairs to compare on.

    The model was trained on fewer tokens than the file takes.
    """
    folder = tmp_path_factory.mktemp("vectors")
    trained = load_model(folder / "model", "embedding", S // 2)
    path = folder / "vectors.tflite"
    tokenizer = text_input.TextInput(trained)
    path.write_bytes(tokenizer.add(converter.convert_float(trained)))
    return trained, path, write_rows(folder / "rows.jsonl", "text", "text_pair")


def test_texts_that_training_cut_are_not_compared(vectors):
    report = verify(vectors[0], vectors[2], vectors[1])
    (artifact,) = report["artifacts"]
    assert artifact["text_max_abs_diff"] == 0
    assert artifact["text_latency_ms"] > 0
    assert report["failures"] == []


def test_other_answers_to_texts_are_told(vectors, tmp_path):
    trained, _, rows = vectors
    other = dataclasses.replace(
        trained.folder,
        vocabulary=Vocabulary.from_entries(VOCABULARY, TokenizerConfig(False)),
    )
    tokenizer = text_input.TextInput(dataclasses.replace(trained, folder=other))
    path = tmp_path / "cased.tflite"
    path.write_bytes(tokenizer.add(converter.convert_float(trained)))
    report = verify(trained, rows, path)
    assert "answers to texts differ" in report["failures"][0]


def test_a_runtime_without_the_operations_is_told(vectors, tmp_path):
    trained, path, rows = vectors
    content = path.read_bytes().replace(b"FastBertNormalize", b"FastBertNormalise")
    old = tmp_path / "old.tflite"
    old.write_bytes(content)
    with pytest.raises(
        InputError,
        match="its serve_text does not run: Encountered unresolved custom op: "
        "FastBertNormalise.*Its other signatures need neither",
    ):
        verify(trained, rows, old)


def test_missing_operations_are_told(vectors, tmp_path, monkeypatch):
    trained, path, rows = vectors
    (tmp_path / "tensorflow_text.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputError, match="operations for TFLite are missing .cannot"):
        verify(trained, rows, path)


def test_a_crash_is_told(vectors, tmp_path, monkeypatch):
    trained, path, rows = vectors
    (tmp_path / "tensorflow_text.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputError, match="process ended with status 3"):
        verify(trained, rows, path)


def test_examples_of_other_texts_are_told(tmp_path):
    """Models of other programs do not say whether they take pairs."""
    trained = load_model(tmp_path / "model", "classification", labels=LABELS)
    path = tmp_path / "model.tflite"
    tokenizer = text_input.TextInput(trained)
    path.write_bytes(tokenizer.add(converter.convert_float(trained)))
    rows = write_rows(tmp_path / "rows.jsonl", "text", "text_pair", "label")
    with pytest.raises(InputError, match="takes text, but .* have text and text_pair"):
        verify(trained, rows, path)


def test_only_these_operations_come_in(vectors, monkeypatch):
    monkeypatch.setattr(text_input, "OPERATIONS", text_input.OPERATIONS[:2])
    with pytest.raises(InputError, match="makes RaggedTensorToTensor of"):
        text_input.TextInput(vectors[0]).add(given_back(S))


def test_tasks_that_take_no_text(tmp_path):
    trained = load_model(tmp_path / "model", "question_answering")
    with pytest.raises(InputError, match="Received: question_answering"):
        exporter.export(trained, Settings(text_input=True), tmp_path)


def test_mediapipe_tokenizes_itself(vectors, tmp_path):
    settings = Settings(text_input=True, mediapipe=True)
    with pytest.raises(InputError, match="--text_input: MediaPipe tokenizes"):
        exporter.export(vectors[0], settings, tmp_path)


def test_a_job_describes_what_it_wrote(tmp_path, run_job):
    write_model(tmp_path / "model", "classification", **PAIRS)
    done = run_job(
        "export_tflite",
        checkpoint=tmp_path / "model",
        output_file=tmp_path / "pairs.tflite",
        text_input=True,
        max_seq_length=S // 2,
    )
    assert done.returncode == 0, done.stderr
    # Its next command would ask with texts as long as in training.
    assert "Next: " not in done.stdout
    assert "Custom ops" not in done.stderr
    described = json.loads((tmp_path / "pairs.tflite.json").read_text())
    assert described["text_signature"] == {
        "name": "serve_text",
        "inputs": ["text", "text_pair"],
        "custom_operations": [
            "FastBertNormalize",
            "FastWordpieceTokenizeWithOffsets",
            "RaggedTensorToTensor",
        ],
    }


def test_positions_to_predict_are_for_models_that_fill_masks(tmp_path, run_job):
    write_model(tmp_path / "model", "classification", labels=LABELS)
    done = run_job(
        "export_tflite",
        checkpoint=tmp_path / "model",
        output_file=tmp_path / "a.tflite",
        max_predictions_per_seq=3,
    )
    assert "is for pretrained models" in done.stderr
    assert "a model of classification. Leave it out." in done.stderr
