"""The same sequences and scores as Hugging Face's `generate`, with the same weights."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from benchmarks.pytorch_pretraining import hugging_face_name
from bert_tf.config import BertConfig
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.search import generate
from bert_tf.models import EncoderDecoder, named_variables

SHAPE = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
NUM_TEXTS, SOURCE, LENGTH = 200, 20, 16
START, END, PAD = 2, 3, 0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(texts):
    torch.set_num_threads(1)
    torch.manual_seed(3)
    config = {**SHAPE, "initializer_range": 0.4, "attn_implementation": "eager"}
    model = transformers.EncoderDecoderModel(
        encoder=transformers.BertModel(transformers.BertConfig(**config)),
        decoder=transformers.BertLMHeadModel(
            transformers.BertConfig(**config, is_decoder=True, add_cross_attention=True)
        ),
    ).eval()
    head = model.decoder.cls.predictions
    with torch.no_grad():
        # Weights as random as it takes for sequences of many tokens and lengths.
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter += 0.1 * torch.randn_like(parameter)
            if "position" in name:
                parameter *= 4
            if "crossattention.output.dense.weight" in name:
                parameter *= 6
            if "LayerNorm.weight" in name:
                parameter *= torch.sign(torch.randn_like(parameter))
        hidden = []
        hook = head.transform.register_forward_hook(
            lambda module, inputs, output: hidden.append(output)
        )
        ids, mask = (torch.from_numpy(x).long() for x in texts)
        model(input_ids=ids, attention_mask=mask, decoder_input_ids=ids)
        hook.remove()
        head.transform.LayerNorm.bias -= hidden[0].mean((0, 1))
        head.bias[END] += 4.0
    return model


@pytest.fixture(scope="module")
def model(theirs):
    config = BertConfig(**SHAPE, hidden_act="gelu_erf")
    model = EncoderDecoder(config, config)
    state = theirs.state_dict()
    for name, variable in named_variables(model).items():
        side, rest = name.split("/", 1)
        root, name = ("encoder.", name) if side == "bert" else ("decoder.", rest)
        theirs_name = hugging_face_name(name)
        if side == "bert":
            theirs_name = theirs_name.removeprefix("bert.")
        value = state[root + theirs_name].numpy()
        variable.assign(value.T if name.endswith("kernel") else value)
    return model


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(1)
    mask = np.arange(SOURCE) < rng.integers(3, SOURCE + 1, (NUM_TEXTS, 1))
    ids = rng.integers(5, SHAPE["vocab_size"], (NUM_TEXTS, SOURCE)) * mask
    return ids.astype(np.int32), mask.astype(np.int32)


@pytest.fixture(scope="module")
def search(model, texts):
    """Runs a search with our model, compiled once for all numbers that may vary."""
    compiled = {}

    def run(config, ids=texts[0], mask=texts[1]):
        config.validate()
        static = dataclasses.replace(config, length_penalty=0.0)
        if static not in compiled:

            def function(ids, mask, length_penalty):
                num_texts = tf.shape(ids)[0]
                inputs = {
                    "input_ids": ids,
                    "input_mask": mask,
                    "segment_ids": tf.zeros_like(ids),
                }
                return generate(
                    model,
                    inputs,
                    tf.fill([num_texts, 1], START),
                    tf.ones([num_texts], tf.int32),
                    dataclasses.replace(config, length_penalty=length_penalty),
                    END,
                    PAD,
                )

            compiled[static] = tf.function(
                function,
                input_signature=[
                    tf.TensorSpec([None, None], tf.int32),
                    tf.TensorSpec([None, None], tf.int32),
                    tf.TensorSpec([], tf.float32),
                ],
                autograph=False,
            )
        found = compiled[static](ids, mask, tf.constant(float(config.length_penalty)))
        return type(found)(*(x.numpy() for x in found))

    return run


def hugging_face(theirs, texts, config, **settings):
    """Returns sequences without their start, and scores, `[texts, n, ...]`."""
    ids, mask = (torch.from_numpy(x).long() for x in texts)
    if config.num_beams > 1:
        settings["early_stopping"] = config.early_stopping
        settings["length_penalty"] = config.length_penalty
    with torch.no_grad():
        found = theirs.generate(
            input_ids=ids,
            attention_mask=mask,
            decoder_start_token_id=START,
            eos_token_id=END,
            pad_token_id=PAD,
            bos_token_id=None,
            do_sample=False,
            num_beams=config.num_beams,
            num_return_sequences=config.num_return_sequences,
            max_new_tokens=config.max_new_tokens,
            return_dict_in_generate=True,
            output_scores=True,
            **settings,
        )
    tokens = found.sequences[:, 1:].numpy()
    missing = config.max_new_tokens - tokens.shape[1]
    tokens = np.pad(tokens, [(0, 0), (0, missing)], constant_values=END)
    ended = np.cumsum(np.cumsum(tokens == END, axis=1), axis=1) > 1
    tokens = np.where(ended, PAD, tokens)
    shape = (len(ids), config.num_return_sequences, -1)
    scores = getattr(found, "sequences_scores", None)
    return tokens.reshape(shape), (
        None if scores is None else scores.numpy().reshape(shape[:2])
    )


BEAMS = GenerationConfig(max_new_tokens=LENGTH, num_beams=4, num_return_sequences=3)
GREEDY = GenerationConfig(max_new_tokens=LENGTH)
RULES = {
    "none": ({}, {}),
    "ngrams": ({"no_repeat_ngram_size": 3}, {"no_repeat_ngram_size": 3}),
    "length": ({"min_new_tokens": 9}, {"min_new_tokens": 9}),
    "repetition": ({"repetition_penalty": 1.7}, {"repetition_penalty": 1.7}),
    "reward": ({"repetition_penalty": 0.8}, {"repetition_penalty": 0.8}),
    "words": (
        {"forbidden_words": ((7,), (50,), (90, 12), (31, 31), (8, 9, 10))},
        {"bad_words_ids": [[7], [50], [90, 12], [31, 31], [8, 9, 10]]},
    ),
    "all": (
        {
            "no_repeat_ngram_size": 2,
            "min_new_tokens": 5,
            "repetition_penalty": 1.2,
            "forbidden_words": ((7,), (90, 12)),
        },
        {
            "no_repeat_ngram_size": 2,
            "min_new_tokens": 5,
            "repetition_penalty": 1.2,
            "bad_words_ids": [[7], [90, 12]],
        },
    ),
}


@pytest.mark.parametrize("rule", ["none", "all"])
def test_greedy_search_chooses_the_same_tokens(theirs, search, texts, rule):
    ours, settings = RULES[rule]
    config = dataclasses.replace(GREEDY, **ours)
    expected, _ = hugging_face(theirs, texts, config, **settings)
    found = search(config)
    np.testing.assert_array_equal(found.token_ids, expected)
    if rule == "none":  # The comparison sees sequences of all kinds.
        assert len(np.unique(found.lengths)) > LENGTH // 2


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_beam_search_finds_the_same_hypotheses(theirs, search, texts, early_stopping):
    for length_penalty in (0.0, 0.6, 1.0, 2.0, -0.5):
        config = dataclasses.replace(
            BEAMS, early_stopping=early_stopping, length_penalty=length_penalty
        )
        compare_beams(theirs, search, texts, config, {})


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "none"])
def test_beam_search_keeps_the_same_rules(theirs, search, texts, rule):
    ours, settings = RULES[rule]
    config = dataclasses.replace(BEAMS, **ours)
    compare_beams(theirs, search, texts, config, settings)


def compare_beams(theirs, search, texts, config, settings):
    expected, scores = hugging_face(theirs, texts, config, **settings)
    found = search(config)
    # Where two hypotheses score the same but for rounding, either may be kept.
    same = (found.token_ids == expected).all(axis=(1, 2))
    assert same.sum() >= 0.98 * NUM_TEXTS, np.flatnonzero(~same)
    np.testing.assert_allclose(found.scores[same], scores[same], rtol=1e-4, atol=1e-5)
