"""Files that MediaPipe opens: what they say of themselves, and what MediaPipe says."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.python import BaseOptions, text
from toy_checkpoint import VOCABULARY, S

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.tasks.catalog import create_task
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.checkpoint import pretrained
from export.tflite import converter, metadata

pytestmark = pytest.mark.slow

LABELS = ("bad", "good", "naïve")
TEXTS = ["The state of the union", "peace, we must work", "strong stateing x", "é"]
SETTINGS = {
    "classification": {"labels": LABELS},
    "multi_label": {"labels": LABELS},
    "embedding": {"settings": {"pooling": "mean", "normalize": False}},
    "question_answering": {},
}


@pytest.fixture(scope="module", params=list(SETTINGS))
def trained(request, tmp_path_factory):
    from bert_tf.models import named_variables

    # The only length that BertQuestionAnswerer takes.
    length = 384 if request.param == "question_answering" else S
    description = TaskDescription(request.param, length, **SETTINGS[request.param])
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=length,
    )
    model = create_task(description).create_model(config, seed=1)
    rng = np.random.default_rng(0)
    folder = save_model_folder(
        tmp_path_factory.mktemp("model") / "model",
        config=config,
        variables={
            name: np.asarray(value)
            + 0.3 * rng.standard_normal(value.shape, dtype=np.float32)
            for name, value in named_variables(model).items()
        },
        vocabulary=Vocabulary.from_entries(VOCABULARY, TokenizerConfig()),
        step=1,
        task=description,
    )
    return pretrained.load(load_model_folder(folder))


@pytest.fixture(scope="module")
def plain(trained):
    return converter.convert_float(trained)


@pytest.fixture(scope="module")
def opened(trained, plain):
    metadata.check_opens(trained)
    return metadata.add(plain, trained)


def run(content, texts, trained):
    """The outputs of LiteRT, for our own tokens of each text."""
    tokenizer = BertTokenizer(trained.folder.vocabulary)
    cls, sep = (VOCABULARY.index(token) for token in ("[CLS]", "[SEP]"))
    length = trained.max_seq_length
    interpreter = Interpreter(model_content=content)
    call = interpreter.get_signature_runner("serving_default")
    rows = []
    for ids in tokenizer.tokenize(texts).to_list():
        ids = [cls, *ids[: length - 2], sep]
        padding = [0] * (length - len(ids))
        given = {
            "input_ids": ids + padding,
            "input_mask": [1] * len(ids) + padding,
            "segment_ids": [0] * length,
        }
        rows.append(call(**{n: np.array([v], np.int32) for n, v in given.items()}))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def test_answers_are_those_of_the_plain_file(trained, plain, opened):
    expected, found = (run(content, TEXTS, trained) for content in (plain, opened))
    task = trained.task.name
    if task == "classification":
        shifted = np.exp(expected["logits"])
        expected = {"probabilities": shifted / shifted.sum(-1, keepdims=True)}
    elif task == "multi_label":
        expected = {"probabilities": 1 / (1 + np.exp(-expected["logits"]))}
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


@pytest.mark.parametrize("trained", ["classification"], indirect=True)
def test_it_is_verified_as_the_plain_file_is(trained, plain, opened, tmp_path):
    from export.check import verification

    data = tmp_path / "reviews.csv"
    rows = [f'"{text}",{LABELS[n % 3]}' for n, text in enumerate(TEXTS)]
    data.write_text("\n".join(["text,label", *rows]) + "\n")
    paths = [tmp_path / "plain.tflite", tmp_path / "opened.tflite"]
    for path, content in zip(paths, (plain, opened), strict=True):
        path.write_bytes(content)
    report = verification.verify(
        trained,
        str(data),
        saved_model_dir=None,
        tflite_files=paths,
        texts=[],
        settings=verification.Settings(latency_calls=1),
    )
    assert report["failures"] == []
    first, second = report["artifacts"]
    for metric in report["keras"]:
        assert first[metric] == pytest.approx(second[metric], abs=1e-5), metric


def test_the_metadata_names_tensors_and_files(trained, opened):
    archive = zipfile.ZipFile(io.BytesIO(opened))
    files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert files.pop("vocab.txt").splitlines() == VOCABULARY
    labels = SETTINGS[trained.task.name].get("labels", ())
    assert files == ({"labels.txt": "bad\ngood\nnaïve\n"} if labels else {})
    assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}

    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(opened, 0)
    (entry,) = (
        model.Metadata(i)
        for i in range(model.MetadataLength())
        if model.Metadata(i).Name() == b"TFLITE_METADATA"
    )
    value = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    assert value[4:8] == b"M001"
    # MediaPipe's own reading of it.
    metadata = metadata_schema.ModelMetadataT.InitFromObj(
        metadata_schema.ModelMetadata.GetRootAs(value, 0)
    )
    (graph,) = metadata.subgraphMetadata
    names = [tensor.name.decode() for tensor in graph.inputTensorMetadata]
    signature = model.SignatureDefs(0)
    places = {
        signature.Inputs(i).TensorIndex(): signature.Inputs(i).Name().decode()
        for i in range(signature.InputsLength())
    }
    subgraph = model.Subgraphs(0)
    ours = [places[subgraph.Inputs(i)] for i in range(subgraph.InputsLength())]
    meaning = {"input_ids": "ids", "input_mask": "mask", "segment_ids": "segment_ids"}
    assert names == [meaning[name] for name in ours]
    (unit,) = graph.inputProcessUnits
    assert [file.name for file in unit.options.vocabFile] == [b"vocab.txt"]
    outputs = {t.name.decode(): t.associatedFiles for t in graph.outputTensorMetadata}
    assert set(outputs) == {
        "embedding": {"embedding"},
        "question_answering": {"start_logits", "end_logits"},
    }.get(trained.task.name, {"probability"})
    if labels:
        (file,) = outputs["probability"]
        assert (file.name, file.type) == (b"labels.txt", 2)


def test_mediapipe_answers_alike(trained, opened, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(opened)
    base = BaseOptions(model_asset_path=str(path))
    expected = run(opened, TEXTS[:3], trained)
    if "probabilities" in expected:
        options = text.TextClassifierOptions(base_options=base)
        with text.TextClassifier.create_from_options(options) as classifier:
            for sentence, row in zip(TEXTS, expected["probabilities"], strict=False):
                (head,) = classifier.classify(sentence).classifications
                found = {each.category_name: each.score for each in head.categories}
                assert set(found) == set(LABELS)
                for label, probability in zip(LABELS, row, strict=True):
                    assert found[label] == pytest.approx(probability, abs=1e-3)
    elif "sentence_embedding" in expected:
        options = text.TextEmbedderOptions(base_options=base)
        with text.TextEmbedder.create_from_options(options) as embedder:
            for sentence, row in zip(
                TEXTS, expected["sentence_embedding"], strict=False
            ):
                (found,) = embedder.embed(sentence).embeddings
                np.testing.assert_allclose(found.embedding, row, atol=1e-3)


def test_the_same_bytes_each_time(trained, plain, opened):
    assert metadata.add(plain, trained) == opened


def described(trained, name, **description):
    task = create_task(TaskDescription(name, S, **description))
    return dataclasses.replace(trained, task=task, max_seq_length=S)


@pytest.mark.parametrize("trained", ["classification"], indirect=True)
@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("token_classification", {}, "has a task for token_classification; they"),
        ("classification", {"settings": {"pairs": True}}, "take one text, but this"),
        ("classification", {"labels": ("a\nb", "c")}, r"line, and 'a\\nb' is of"),
        ("question_answering", {}, f"of 384 tokens only. Received: {S}. Pass --max_"),
    ],
)
def test_what_no_task_opens_is_refused(trained, name, changes, message):
    with pytest.raises(InputError, match=message):
        metadata.check_opens(described(trained, name, **{"labels": LABELS, **changes}))


@pytest.mark.parametrize("trained", ["classification"], indirect=True)
def test_a_vocabulary_that_keeps_case_is_refused(trained):
    vocabulary = Vocabulary.from_entries(VOCABULARY, TokenizerConfig(False))
    folder = dataclasses.replace(trained.folder, vocabulary=vocabulary)
    with pytest.raises(InputError, match="lower-cases all text, but this model's"):
        metadata.check_opens(dataclasses.replace(trained, folder=folder))
