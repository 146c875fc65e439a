"""In what a loaded model computes its products."""

import io

import numpy as np
import pytest

import bert_tf
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import BertEncoder, named_variables
from bert_tf.prediction.inputs import read_inputs
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, "one", "two", "three"], TokenizerConfig()
)
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=8,
    initializer_range=0.5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = BertEncoder(CONFIG)
    model.build()
    return save_model_folder(
        tmp_path_factory.mktemp("models") / "encoder",
        config=CONFIG,
        variables={
            f"bert/{name}": np.asarray(value)
            for name, value in named_variables(model).items()
        },
        vocabulary=VOCABULARY,
    )


def test_bfloat16_answers_nearly_the_same(folder):
    texts = ["one two", "three", "two two one three"]

    exact, rounded = (
        np.array(
            [
                answer["embedding"]
                for answer in bert_tf.load(
                    folder, task="embedding", precision=precision
                ).predict(texts)
            ]
        )
        for precision in ("float32", "bfloat16")
    )

    # bfloat16 keeps 8 bits: the vectors of length 1 differ, and by no more than that
    # adds up to in two layers.
    assert 1e-5 < np.abs(exact - rounded).max() < 0.03


def test_an_unknown_precision_is_refused(folder):
    with pytest.raises(InputError, match=r"one of \['bfloat16', 'float32'\].*'int8'"):
        bert_tf.load(folder, task="embedding", precision="int8")


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("pretraining", {"top_k": -1}, "top_k must be at least 1. Received: -1"),
        ("pretraining", {"top_k": "5"}, "`top_k` must be a whole number.*'5'"),
        (
            "question_answering",
            {"n_best_size": np.int64(0)},
            "n_best_size must be at least 1. Received: 0",
        ),
        ("classification", {"labels": "x"}, "`labels` must be a list. Received: 'x'"),
    ],
)
def test_settings_that_cannot_be(folder, task, settings, message):
    with pytest.raises(InputError, match=f"^settings of {task}: {message}"):
        bert_tf.load(folder, task=task, **settings)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("one", "`inputs` must be a list, of a single input too.*'one'"),
        ({"text": "one"}, r"`inputs` must be a list.*\{'text': 'one'\}"),
        (["one", "\ud800"], "inputs: input 2: 'text' holds a lone surrogate"),
        (["one", {1: "one"}], r"input 2: .* whose keys are texts.*\{1: 'one'\}"),
    ],
)
def test_inputs_that_are_none(folder, inputs, message):
    with pytest.raises(InputError, match=message):
        bert_tf.load(folder, task="embedding").predict(inputs)


def test_what_a_shell_hands_on_is_checked(folder, monkeypatch):
    task = bert_tf.load(folder, task="embedding").task
    with pytest.raises(InputError, match="input: line 1: 'text' holds a lone surr"):
        list(read_inputs(task, None, ["\udcff"]))
    stdin = io.TextIOWrapper(io.BytesIO(b"one\r\n\ntwo\n\xff\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    examples = read_inputs(task, "-", [])
    with pytest.raises(InputError, match=r"-: line 4 .*not UTF-8 \(byte 0xff\)"):
        list(examples)
    stdin = io.TextIOWrapper(io.BytesIO(b"one\r\n\ntwo"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert [e.text for e in read_inputs(task, "-", [])] == ["one", "", "two"]
