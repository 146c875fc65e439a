"""Exported models that write: the search and its texts are those of the library."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation import search
from bert_tf.generation.config import GenerationConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.checkpoint import pretrained
from export.saved_model import saving, serving_check

pytestmark = pytest.mark.slow

SOURCE = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, *"one two three four five six seven .".split()],
    TokenizerConfig(),
)
TARGET = ["eins", "zwei", "drei", "##zehn", "vier", "fünf", "##", ".", "sechs"]
TEXTS = ["One two.", "Three four five six seven seven seven.", "six"]
CONFIG = BertConfig(
    vocab_size=len(SOURCE),
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=24,
    initializer_range=1.0,
)
BEAMS = {"num_beams": 3, "num_return_sequences": 3, "no_repeat_ngram_size": 2}
CONTRASTIVE = {"penalty_alpha": 0.6, "top_k": 4}
DRAWS = {"do_sample": True, "num_return_sequences": 2, "temperature": 2.0, "top_k": 9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose decoder has another vocabulary."""
    from bert_tf.models import EncoderDecoder, named_variables

    entries = [*SPECIAL_TOKENS[::-1], *TARGET]
    decoder = dataclasses.replace(CONFIG, vocab_size=len(entries))
    model = EncoderDecoder(CONFIG, decoder)
    return save_model_folder(
        tmp_path_factory.mktemp("models") / "writer",
        config=CONFIG,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=SOURCE,
        task=TaskDescription(
            "sequence_to_sequence",
            12,
            settings={
                "max_target_length": 9,
                "decoder_config": dataclasses.asdict(decoder),
                "decoder_vocabulary": {
                    "entries": entries,
                    "do_lower_case": True,
                    "strip_accents": True,
                },
            },
        ),
    )


@pytest.fixture(scope="module")
def signatures(folder, tmp_path_factory):
    """The signatures of two exports; the second model has learned of pairs."""
    found = {}
    for name, settings in (("beams", BEAMS), ("draws", DRAWS)):
        directory = tmp_path_factory.mktemp(name) / "1"
        trained = pretrained.load(
            resolve_checkpoint(folder), generation=settings, pairs=name == "draws"
        )
        saving.save(directory, trained)
        # Whose variables live as long as it does.
        found[name] = tf.saved_model.load(str(directory))
    return found


def ask(model, signature, texts, **inputs):
    given = {name: tf.constant(value) for name, value in inputs.items()}
    answer = model.signatures[signature](text=tf.constant(texts), **given)
    return {name: value.numpy() for name, value in answer.items()}


def same(answer, expected):
    """Compares rows of a signature's answer with `generate`'s."""
    assert len(answer["generated_text"]) == len(expected)
    for row, first in enumerate(expected):
        for column, one in enumerate([first, *first.get("alternatives", [])]):
            received = {name: value[row, column] for name, value in answer.items()}
            assert received["generated_text"].decode() == one["generated_text"]
            assert received["scores"] == pytest.approx(one["score"], rel=1e-4)
            count = received["lengths"]
            log_probs = received["token_log_probs"]
            np.testing.assert_allclose(
                log_probs[:count], one["token_log_probs"], rtol=1e-3, atol=1e-5
            )
            assert not log_probs[count:].any()


def test_beams_are_those_of_the_library(folder, signatures):
    exported, model = signatures["beams"], bert_tf.load(folder)
    expected = model.generate(TEXTS, **BEAMS)
    assert len({each["generated_text"] for each in expected}) > 1
    answer = ask(exported, "serving_default", TEXTS)
    assert answer["token_log_probs"].shape == (3, 3, 8)
    same(answer, expected)
    for row, text in enumerate(TEXTS):
        same(ask(exported, "serving_default", [text]), expected[row : row + 1])
    # Each text by what its request asks for.
    chosen = [(1.0, 1.0), (2.0, 3.0), (0.0, 1.5)]
    length_penalty, repetition_penalty = map(list, zip(*chosen, strict=True))
    expected = [
        model.generate([text], **BEAMS, length_penalty=a, repetition_penalty=b)[0]
        for text, (a, b) in zip(TEXTS, chosen, strict=True)
    ]
    asked = {
        "length_penalty": length_penalty,
        "repetition_penalty": repetition_penalty,
    }
    same(ask(exported, "generate", TEXTS, **asked), expected)


def test_draws_are_those_of_the_library(folder, signatures):
    exported, model = signatures["draws"], bert_tf.load(folder)
    pairs = ["three", "four five", "."]
    inputs = [{"text": a, "text_pair": b} for a, b in zip(TEXTS, pairs, strict=True)]
    expected = model.generate(inputs, **DRAWS)
    answer = ask(exported, "serving_default", TEXTS, text_pair=pairs)
    same(answer, expected)
    usual = {"length_penalty": 1.0, "repetition_penalty": 1.0, "temperature": 2.0}
    rows = [
        {**usual, "top_p": 1.0, "seed": 0},
        {**usual, "top_p": 0.5, "seed": 7, "temperature": 1.5},
        {**usual, "top_p": 0.9, "seed": -3, "length_penalty": 0.0},
    ]
    asked = {name: [row[name] for row in rows] for name in rows[0]}
    answer = ask(exported, "generate", TEXTS, text_pair=pairs, **asked)
    same({n: v[:1] for n, v in answer.items()}, expected[:1])
    expected = [
        model.generate([one], **{**DRAWS, **row})[0]
        for one, row in zip(inputs, rows, strict=True)
    ]
    same(answer, expected)


def test_contrastive_search_is_that_of_the_library(folder, tmp_path):
    trained = pretrained.load(resolve_checkpoint(folder), generation=CONTRASTIVE)
    saving.save(tmp_path / "1", trained)
    exported, model = tf.saved_model.load(str(tmp_path / "1")), bert_tf.load(folder)
    same(ask(exported, "serving_default", TEXTS), model.generate(TEXTS, **CONTRASTIVE))
    alphas = [0.0, 0.3, 1.0]
    ones = [1.0] * len(TEXTS)
    asked = {"length_penalty": ones, "repetition_penalty": ones}
    expected = [
        model.generate([text], **{**CONTRASTIVE, "penalty_alpha": alpha})[0]
        for text, alpha in zip(TEXTS, alphas, strict=True)
    ]
    same(ask(exported, "generate", TEXTS, **asked, penalty_alpha=alphas), expected)


@pytest.mark.parametrize(
    "name, values, message",
    [
        ("temperature", [0.0], "temperature must be from 0.001 to 1000"),
        ("temperature", [np.nan], "temperature must be from"),
        ("top_p", [1.5], "top_p must be from 1e-06 to 1"),
        ("seed", [1, 2], "seed must have a value for each text"),
    ],
)
def test_parameters_that_cannot_be_are_refused(signatures, name, values, message):
    asked = {
        "length_penalty": [1.0],
        "repetition_penalty": [1.0],
        "temperature": [1.0],
        "top_p": [0.9],
        "seed": [0],
    }
    asked[name] = values
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(signatures["draws"], "generate", ["one"], text_pair=["two"], **asked)


def test_a_search_that_cannot_be_is_not_exported(folder, tmp_path):
    trained = pretrained.load(resolve_checkpoint(folder), generation={"beams": 4})
    with pytest.raises(InputError, match="Generation has the settings max_new_tokens"):
        saving.save(tmp_path / "1", trained)


def test_the_job_exports_the_search_of_a_file(run_job, folder, tmp_path):
    settings = {"num_beams": 2, "max_new_tokens": 5}
    (tmp_path / "search.json").write_text(json.dumps(settings))
    directory = tmp_path / "models" / "1"
    done = run_job(
        "export_saved_model",
        checkpoint=folder,
        output_dir=directory,
        generation_config=tmp_path / "search.json",
        warmup_batch_sizes="1",
    )
    assert done.returncode == 0, done.stderr
    assert "serving_default, generate, serve_ids, serve_examples" in done.stdout
    description = serving_check.description_of(directory)
    assert description["task"]["settings"]["generation"] == settings
    assert "### `generate`" in (directory / "README.md").read_text()


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    from bert_tf.models import CausalLM, named_variables

    model = CausalLM(CONFIG, norm_first=True)
    return save_model_folder(
        tmp_path_factory.mktemp("models") / "language",
        config=CONFIG,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=SOURCE,
        task=TaskDescription("causal_lm", 16, settings={"norm_first": True}),
    )


@pytest.mark.parametrize("settings", [BEAMS, DRAWS, CONTRASTIVE])
def test_continuations_are_those_of_the_library(language_model, tmp_path, settings):
    settings = {**settings, "max_new_tokens": 6}
    trained = pretrained.load(resolve_checkpoint(language_model), generation=settings)
    saving.save(tmp_path / "1", trained)
    exported = tf.saved_model.load(str(tmp_path / "1"))
    expected = bert_tf.load(language_model).generate(TEXTS, **settings)
    assert len({each["generated_text"] for each in expected}) > 1
    answer = ask(exported, "serving_default", TEXTS)
    assert answer["token_log_probs"].shape[-1] == 6
    same(answer, expected)
    for row, text in enumerate(TEXTS):
        same(ask(exported, "serving_default", [text]), expected[row : row + 1])
    if "penalty_alpha" in settings:
        chosen = [0.0, 0.3, 1.0]
        usual = {"length_penalty": [1.0] * 3, "repetition_penalty": [1.0] * 3}
        model = bert_tf.load(language_model)
        expected = [
            model.generate([text], **{**settings, "penalty_alpha": alpha})[0]
            for text, alpha in zip(TEXTS, chosen, strict=True)
        ]
        same(ask(exported, "generate", TEXTS, **usual, penalty_alpha=chosen), expected)
    if "num_beams" in settings:
        asked = {"length_penalty": [0.0], "repetition_penalty": [2.0]}
        wanted = {"length_penalty": 0.0, "repetition_penalty": 2.0}
        expected = bert_tf.load(language_model).generate(["six"], **settings, **wanted)
        same(ask(exported, "generate", ["six"], **asked), expected)


def test_of_a_long_text_the_end_is_continued(language_model, tmp_path):
    trained = pretrained.load(resolve_checkpoint(language_model))
    saving.save(tmp_path / "1", trained)
    exported = tf.saved_model.load(str(tmp_path / "1"))
    words = "one two three four five six seven one three five seven two".split()
    answer = ask(exported, "serving_default", [" ".join(words), ""])
    # Half of the 16 tokens are for what is written, whose last one is not fed.
    ids = [SOURCE.entries.index(word) for word in words[-9:]]
    prompts = [[*ids], [SOURCE.cls_id] + [SOURCE.pad_id] * 8]
    found = search.generate(
        trained.model,
        {"input_ids": tf.constant(prompts)},
        tf.constant(prompts),
        tf.constant([9, 1]),
        GenerationConfig(max_new_tokens=8),
        SOURCE.sep_id,
        SOURCE.pad_id,
    )
    np.testing.assert_allclose(answer["scores"], found.scores, rtol=1e-4)
    np.testing.assert_array_equal(answer["lengths"], found.lengths)


def test_a_search_longer_than_the_texts_is_refused(language_model, tmp_path):
    trained = pretrained.load(
        resolve_checkpoint(language_model), generation={"max_new_tokens": 17}
    )
    with pytest.raises(InputError, match="at most the decoder's positions, 16"):
        saving.save(tmp_path / "1", trained)


@pytest.mark.parametrize("flags", [{"signatures": "ids"}, {"static_shape": "8x12"}])
def test_a_search_without_texts_is_told_before_the_work(
    folder, run_job, without_tensorflow, tmp_path, flags
):
    (tmp_path / "search.json").write_text('{"num_beams": 4}')
    done = run_job(
        "export_saved_model",
        env=without_tensorflow,
        checkpoint=folder,
        output_dir=tmp_path / "models",
        generation_config=tmp_path / "search.json",
        **flags,
    )
    assert "--generation_config: the signatures that write take text" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()
