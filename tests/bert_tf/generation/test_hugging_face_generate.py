"""The same sequences and scores as Hugging Face's `generate`, with the same weights."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import torch
from hugging_face_models import END, PAD, START, encoder_decoder, ours, random_texts

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.search import generate

NUM_TEXTS, SOURCE, LENGTH = 200, 20, 16

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(texts):
    return encoder_decoder(texts)


@pytest.fixture(scope="module")
def model(theirs):
    return ours(theirs)


@pytest.fixture(scope="module")
def texts():
    return random_texts(NUM_TEXTS, SOURCE)


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
    rules, settings = RULES[rule]
    config = dataclasses.replace(GREEDY, **rules)
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
    rules, settings = RULES[rule]
    config = dataclasses.replace(BEAMS, **rules)
    compare_beams(theirs, search, texts, config, settings)


def compare_beams(theirs, search, texts, config, settings):
    expected, scores = hugging_face(theirs, texts, config, **settings)
    found = search(config)
    # Where two hypotheses score the same but for rounding, either may be kept.
    same = (found.token_ids == expected).all(axis=(1, 2))
    assert same.sum() >= 0.98 * NUM_TEXTS, np.flatnonzero(~same)
    np.testing.assert_allclose(found.scores[same], scores[same], rtol=1e-4, atol=1e-5)
