"""Fine-tuned models to Hugging Face and back: the same logits, labels, answers."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

import bert_tf
from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.models import (
    MultipleChoice,
    SequenceClassifier,
    SpanPredictor,
    TokenClassifier,
    assign_variables,
)
from bert_tf.text.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings(
    # Keras 3.15 reads TensorFlow variables the way that NumPy 2 deprecates.
    "ignore:__array__ implementation:DeprecationWarning"
)
INPUT_IDS = np.array([[2, 5, 6, 4, 3, 7, 3], [2, 8, 3, 0, 0, 0, 0]], np.int32)
INPUTS = {
    "input_ids": INPUT_IDS,
    "input_mask": np.int32(INPUT_IDS != 0),
    "segment_ids": np.array([[0, 0, 0, 0, 0, 1, 1], [0] * 7], np.int32),
}
LABELS = ("bad", "so so", "gut")
SETTINGS = {"pairs": False, "best_metric": "loss", "reading": {"language": "de"}}
CASES = {
    "classification": ("SequenceClassification", LABELS, SequenceClassifier),
    "multi_label": ("SequenceClassification", LABELS, SequenceClassifier),
    "regression": ("SequenceClassification", (), SequenceClassifier),
    "token_classification": ("TokenClassification", LABELS, TokenClassifier),
    "question_answering": ("QuestionAnswering", (), SpanPredictor),
    "multiple_choice": ("MultipleChoice", (), MultipleChoice),
}
OURS_TO_THEIRS = {"input_mask": "attention_mask", "segment_ids": "token_type_ids"}


def make_model(task, config):
    _, labels, model_type = CASES[task]
    if labels:
        return model_type(config, num_labels=len(labels))
    return model_type(config)


def compute(model, inputs):
    outputs = model(inputs)
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.fixture(params=list(CASES))
def fine_tuned(request, tmp_path, make_weights):
    """A model folder of a fine-tuned model, random in every variable."""
    task = request.param
    config = make_weights().config
    model = make_model(task, config)
    generator = np.random.default_rng(5)
    for variable in model.weights:
        draws = generator.standard_normal(variable.shape, dtype=np.float32)
        variable.assign(variable.numpy() + 0.3 * draws)
    shapes = {v.path.removeprefix(f"{model.name}/"): v for v in model.weights}
    weights = make_weights(
        variables={name: v.numpy() for name, v in shapes.items()},
        task=TaskDescription(task, 9, CASES[task][1], SETTINGS),
    )
    assert conversion.save(weights, tmp_path / "ours", "native", strict=True) == []
    return task, model, tmp_path / "ours"


@pytest.mark.slow
def test_pytorch_computes_the_same_logits_with_the_same_labels(fine_tuned, tmp_path):
    task, model, folder = fine_tuned
    auto, labels, _ = CASES[task]
    hub = tmp_path / "hub"
    conversion.save(conversion.load_any(folder), hub, "hugging_face", strict=True)

    theirs, info = getattr(transformers, f"AutoModelFor{auto}").from_pretrained(
        hub, output_loading_info=True
    )

    assert not any(info.values())
    if labels:
        assert theirs.config.id2label == dict(enumerate(labels))
    inputs = INPUTS
    if task == "multiple_choice":
        inputs = {name: value[None] for name, value in INPUTS.items()}
    with torch.no_grad():
        expected = theirs.eval()(
            **{
                OURS_TO_THEIRS.get(name, name): torch.tensor(value).long()
                for name, value in inputs.items()
            }
        )
    received = compute(model, inputs)
    compared = {"logits": "logits"}
    if task == "question_answering":
        compared = {"start_logits": "start_logits", "end_logits": "end_logits"}
    for ours, their in compared.items():
        real = np.ones(received[ours].shape, bool)
        if task in ("token_classification", "question_answering"):
            real[INPUTS["input_mask"] == 0] = False  # Of padding nobody asks.
        np.testing.assert_allclose(
            received[ours][real], getattr(expected, their).numpy()[real], atol=1e-5
        )


def test_a_model_comes_back_from_every_format_as_it_was(fine_tuned, tmp_path):
    task, model, folder = fine_tuned
    expected = load_model_folder(folder)
    assert expected.metadata["newly_initialised"] == []

    source = folder
    for number, format in enumerate((*conversion.WRITERS, "native")):
        target = tmp_path / f"{number}-{format}"
        conversion.save(conversion.load_any(source), target, format)
        source = target

    received = load_model_folder(source)
    assert received.task == expected.task
    assert received.task.settings["reading"] == {"language": "de"}
    assign_variables(make_model(task, received.config), received.variables)
    for name, array in expected.variables.items():
        np.testing.assert_array_equal(received.variables[name], array)
    assert not any(name.startswith("cls/pred") for name in received.variables)


def write_theirs(folder, make_weights, **settings):
    """A fine-tuned folder of theirs, with tokenizer."""
    weights = make_weights()
    # Hugging Face splits vocab.txt at line ends that are entries here.
    entries = ["[unused0]" if e == "\u2028" else e for e in weights.vocabulary.entries]
    vocabulary = Vocabulary.from_entries(entries, weights.vocabulary.config)
    conversion.save(make_weights(vocabulary=vocabulary), folder, "hugging_face")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=17,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=10,
        initializer_range=0.5,
        **settings,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


TEXTS = ["The heart of the heartache", "cafés 心 zz", "of"]


@pytest.mark.parametrize("problem_type", [None, "single_label", "multi_label"])
def test_a_folder_of_theirs_answers_as_its_pipeline(
    tmp_path, make_weights, problem_type
):
    theirs = write_theirs(
        tmp_path / "theirs",
        make_weights,
        id2label=dict(enumerate(LABELS)),
        problem_type=problem_type and f"{problem_type}_classification",
    )
    pipeline = transformers.pipeline("text-classification", str(theirs), device="cpu")

    answers = bert_tf.load(theirs).predict(TEXTS)

    for answer, expected in zip(answers, pipeline(TEXTS, top_k=None), strict=True):
        expected = {each["label"]: each["score"] for each in expected}
        assert answer["probabilities"] == pytest.approx(expected, abs=1e-5)


def test_one_output_of_theirs_is_a_number(tmp_path, make_weights):
    theirs = write_theirs(tmp_path / "theirs", make_weights, num_labels=1)
    model = transformers.BertForSequenceClassification.from_pretrained(theirs).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(theirs)

    predictor = bert_tf.load(theirs)

    assert predictor.task.name == "regression"
    pairs = [("the heart", "of"), ("card", "heart café")]
    for text, answer in zip([*TEXTS, *pairs], predictor.predict(TEXTS), strict=False):
        with torch.no_grad():
            expected = model(**tokenizer(text, return_tensors="pt")).logits
        assert answer["value"] == pytest.approx(float(expected), abs=1e-5)
    for pair, answer in zip(pairs, predictor.predict(pairs), strict=True):
        with torch.no_grad():
            expected = model(**tokenizer(*pair, return_tensors="pt")).logits
        assert answer["value"] == pytest.approx(float(expected), abs=1e-5)


def test_dropout_of_the_head_travels(tmp_path, make_weights):
    theirs = write_theirs(
        tmp_path / "theirs", make_weights, num_labels=2, classifier_dropout=0.25
    )

    weights = conversion.load_any(theirs)
    conversion.save(weights, tmp_path / "again", "hugging_face")

    assert weights.task.settings == {"classifier_dropout": 0.25}
    assert transformers.AutoConfig.from_pretrained(
        tmp_path / "again"
    ).classifier_dropout == pytest.approx(0.25)


def test_what_another_program_trained_on_is_believed(tmp_path, make_weights):
    """The side file of a folder that was trained further must not rename labels."""
    theirs = write_theirs(tmp_path / "theirs", make_weights, num_labels=3)
    weights = conversion.load_any(theirs)
    weights.task = TaskDescription("classification", 9, LABELS, {"pairs": True})
    conversion.save(weights, tmp_path / "ours", "hugging_face")
    shutil.copy(theirs / "model.safetensors", tmp_path / "ours")
    path = tmp_path / "ours" / "config.json"
    values = json.loads(path.read_text())

    values["id2label"] = {"0": "x", "1": "y", "2": "z"}
    path.write_text(json.dumps(values))
    received = conversion.load_any(tmp_path / "ours").task
    assert received == TaskDescription(
        "classification", 9, ("x", "y", "z"), {"pairs": True}
    )

    values["problem_type"] = "multi_label_classification"
    path.write_text(json.dumps(values))
    received = conversion.load_any(tmp_path / "ours").task
    assert received == TaskDescription("multi_label", labels=("x", "y", "z"))

    values["id2label"] = {"zero": "x"}
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="`id2label` must name the head's outputs"):
        conversion.load_any(tmp_path / "ours")


def test_single_texts_are_not_taken_for_pairs(fine_tuned):
    task, _, folder = fine_tuned
    if CASES[task][2] is not SequenceClassifier:
        pytest.skip("takes no pairs of texts")

    with pytest.raises(ValueError, match="trained on single texts. Received: 1"):
        bert_tf.load(folder).predict([("the heart", "of")])
