"""Searches against exhaustive ones, distributions and themselves."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from toy_decoders import MarkovDecoder, RecurrentDecoder

from bert_tf.errors import InputError
from bert_tf.generation import scoring
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.search import generate
from bert_tf.generation.stepping import read_prompts
from bert_tf.generation.streaming import Stream

END, PAD, START = 1, 0, 2
TEXTS = [0, 3, 5]


def arguments(texts, prompts=None):
    prompts = prompts or [[START]] * len(texts)
    lengths = [len(prompt) for prompt in prompts]
    tokens = [prompt + [PAD] * (max(lengths) - len(prompt)) for prompt in prompts]
    ids = tf.constant(np.array(texts)[:, None], tf.int32)
    return (
        {"input_ids": ids},
        tf.constant(tokens, tf.int32),
        tf.constant(lengths, tf.int32),
    )


def run(decoder, config, texts=TEXTS, prompts=None, jit_compile=False):
    config.validate()
    function = tf.function(
        lambda *args: generate(decoder, *args, config, end_id=END, pad_id=PAD),
        autograph=False,
        jit_compile=jit_compile,
    )
    found = function(*arguments(texts, prompts))
    return type(found)(*(x.numpy() for x in found))


def all_sequences(vocab_size, length):
    others = [token for token in range(vocab_size) if token != END]
    for size in range(length):
        for tokens in itertools.product(others, repeat=size):
            yield (*tokens, END)
    yield from itertools.product(others, repeat=length)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(length_penalty):
    decoder = RecurrentDecoder(4)
    config = GenerationConfig(
        max_new_tokens=4,
        num_beams=100,
        num_return_sequences=100,
        length_penalty=length_penalty,
        early_stopping="never",
    )
    texts = [0, 3, 2]
    found = run(decoder, config, texts)
    for row, text in enumerate(texts):
        scores = {}
        for tokens in all_sequences(4, 4):
            each = decoder.log_probs(text, (START, *tokens[:-1]))
            total = each[np.arange(len(tokens)), list(tokens)].sum()
            scores[tokens] = total / len(tokens) ** length_penalty
        best = sorted(scores, key=scores.get, reverse=True)[:100]
        np.testing.assert_allclose(
            found.scores[row], [scores[tokens] for tokens in best], rtol=1e-4
        )
        sequences = [
            tuple(ids[:size])
            for ids, size in zip(found.token_ids[row], found.lengths[row], strict=True)
        ]
        assert len(set(sequences)) == 100
        for tokens, score in zip(sequences, found.scores[row], strict=True):
            assert score == pytest.approx(scores[tokens], rel=1e-4)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_beams": 2},
        {"do_sample": True},
        {"do_sample": True, "top_k": 3, "top_p": 0.9, "num_return_sequences": 2},
        {"penalty_alpha": 0.5, "top_k": 2},
    ],
    ids=["greedy", "beam", "sampling", "top-k", "contrastive"],
)
def test_where_no_sequence_keeps_the_rules_there_is_none(settings, jit_compile):
    """Each of six tokens comes once at most, and no text may end before the eighth."""
    config = GenerationConfig(
        max_new_tokens=10, min_new_tokens=8, no_repeat_ngram_size=1, **settings
    )
    found = run(MarkovDecoder(6), config, jit_compile=jit_compile)
    assert (found.scores == -np.inf).all()
    assert not found.lengths.any()
    assert (found.token_ids == PAD).all()
    assert not found.token_log_probs.any()
    # With the end allowed there is one.
    config = dataclasses.replace(config, min_new_tokens=0)
    found = run(MarkovDecoder(6), config, jit_compile=jit_compile)
    assert np.isfinite(found.scores).all()
    assert found.lengths.all()


def test_draws_come_as_often_as_they_are_probable():
    decoder, num_samples = MarkovDecoder(6, spread=1.0), 4000
    config = GenerationConfig(
        max_new_tokens=2,
        do_sample=True,
        num_return_sequences=num_samples,
        temperature=1.3,
        seed=7,
    )
    kept = {"top_k": 4, "top_p": 0.8, "min_p": 0.05}
    for settings in ({}, kept):
        found = run(decoder, dataclasses.replace(config, **settings), texts=[3])
        first, second = found.token_ids[0].T
        likely = int(np.bincount(first[first != END]).argmax())
        for before, drawn in ((START, first), (likely, second[first == likely])):
            p = np.exp(decoder.log_probs(3, [before])[0].astype(float) / 1.3)
            p /= p.sum()
            if settings:
                order = np.argsort(-p)
                p[order[4:]] = 0
                p /= p.sum()
                p[order[np.cumsum(p[order]) - p[order] >= 0.8]] = 0
                p /= p.sum()
                p[p < 0.05 * p.max()] = 0
                p /= p.sum()
            counts = np.bincount(drawn, minlength=6)
            assert counts[p == 0].sum() == 0
            expected = p[p > 0] * len(drawn)
            assert scipy.stats.chisquare(counts[p > 0], expected).pvalue > 1e-3


SEARCHES = {
    "greedy": GenerationConfig(max_new_tokens=7, no_repeat_ngram_size=2),
    "sampling": GenerationConfig(
        max_new_tokens=7, do_sample=True, num_return_sequences=3, top_p=0.9
    ),
    "beam": GenerationConfig(
        max_new_tokens=7,
        num_beams=3,
        num_return_sequences=3,
        repetition_penalty=1.3,
        forced_words=((4, 3), (6,)),
        forbidden_words=((5, 5), (0,)),
    ),
    "contrastive": GenerationConfig(
        max_new_tokens=7, penalty_alpha=0.6, top_k=3, repetition_penalty=1.3
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_a_text_does_not_depend_on_its_batch(name):
    decoder, config = RecurrentDecoder(8), SEARCHES[name]
    prompts = [[START], [START, 4, 5, 3], [START, 6]]
    together = run(decoder, config, prompts=prompts)
    for row, (text, prompt) in enumerate(zip(TEXTS, prompts, strict=True)):
        alone = run(decoder, config, [text], [prompt])
        np.testing.assert_array_equal(alone.token_ids[0], together.token_ids[row])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)
        for ids, size, log_probs in zip(
            alone.token_ids[0],
            alone.lengths[0],
            alone.token_log_probs[0],
            strict=True,
        ):
            tokens = [*prompt, *ids[:size]]
            each = decoder.log_probs(text, tokens[:-1])[len(prompt) - 1 :]
            expected = each[np.arange(size), ids[:size]]
            np.testing.assert_allclose(log_probs[:size], expected, rtol=1e-4, atol=1e-5)
            assert not log_probs[size:].any()


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_xla_finds_the_same(name):
    decoder, config = RecurrentDecoder(8), SEARCHES[name]
    prompts = [[START], [START, 4, 5, 3], [START, 6]]
    plain, compiled = (
        run(decoder, config, prompts=prompts, jit_compile=jit_compile)
        for jit_compile in (False, True)
    )
    np.testing.assert_array_equal(compiled.token_ids, plain.token_ids)
    np.testing.assert_array_equal(compiled.lengths, plain.lengths)
    for name in ("scores", "token_log_probs"):
        np.testing.assert_allclose(
            getattr(compiled, name), getattr(plain, name), rtol=1e-4, atol=1e-5
        )


def test_scoring_a_hypothesis_again_gives_its_score():
    decoder, config = RecurrentDecoder(8), SEARCHES["beam"]
    config = dataclasses.replace(config, length_penalty=0.6, min_new_tokens=3)
    found = run(decoder, config)
    prompt, _ = read_prompts(decoder, *arguments(TEXTS), config)
    again = scoring.score(
        decoder,
        prompt,
        tf.constant(found.token_ids),
        tf.constant(found.lengths),
        config,
        END,
        PAD,
    )
    for name, values in found._asdict().items():
        np.testing.assert_allclose(getattr(again, name), values, rtol=1e-5)


def test_forced_words_occur_and_forbidden_ones_do_not():
    config = dataclasses.replace(SEARCHES["beam"], max_new_tokens=5)
    greedy = dataclasses.replace(config, num_beams=1, num_return_sequences=1)
    contrastive = dataclasses.replace(greedy, penalty_alpha=1.0, top_k=6)
    for each in (config, greedy, contrastive):
        found = run(RecurrentDecoder(8), each, texts=list(range(8)))
        for ids, size in zip(
            found.token_ids.reshape(-1, 5), found.lengths.ravel(), strict=True
        ):
            text = " ".join(map(str, ids[:size]))
            assert "4 3" in text and "6" in text, text
            assert "5 5" not in text and "0" not in text, text


@pytest.mark.parametrize("name", ["greedy", "sampling"])
def test_a_stream_gives_the_same_tokens(name):
    decoder = RecurrentDecoder(8)
    config = dataclasses.replace(SEARCHES[name], num_return_sequences=1)
    found = run(decoder, config)
    stream = Stream(decoder, config, END)
    tokens = np.stack(list(stream.tokens(*arguments(TEXTS))), axis=1)[:, None]
    width = tokens.shape[2]
    np.testing.assert_array_equal(np.maximum(tokens, 0), found.token_ids[..., :width])
    assert not found.token_ids[..., width:].any()
    for other, setting in (("beam", "num_beams"), ("contrastive", "penalty_alpha")):
        with pytest.raises(InputError, match=f"token after token: leave `{setting}`"):
            Stream(decoder, SEARCHES[other], END)


CONTRASTIVE = {"penalty_alpha": 0.6, "top_k": 4}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"max_new_tokens": 0}, "max_new_tokens` must be a whole number, 1 or more"),
        ({"num_beams": 2.5}, "num_beams` must be a whole number"),
        ({"temperature": 0.0}, "temperature` must be a number from 0.001 to 1000"),
        ({"temperature": 1e-45}, "temperature` must be a number from 0.001 to 1000"),
        ({"temperature": float("nan")}, "temperature` must be a number from"),
        ({"temperature": "0.5"}, "temperature` must be a number from"),
        ({"do_sample": "false"}, "do_sample` must be True or False"),
        ({"seed": None}, "seed` must be a whole number of 32 bits"),
        ({"top_p": 0.0}, "top_p` must be a number from 1e-06 to 1"),
        ({"min_p": 1.5}, "min_p` must be a number from 0 to 1"),
        ({"penalty_alpha": -0.1}, "penalty_alpha` must be a number from 0 to 1"),
        ({"penalty_alpha": 0.6}, "set `top_k` to 2 or more. Received: 0"),
        ({**CONTRASTIVE, "do_sample": True}, "leave `do_sample` off"),
        ({**CONTRASTIVE, "num_beams": 2}, "one sequence a text: leave `num_beams`"),
        (
            {**CONTRASTIVE, "num_return_sequences": 2},
            "one sequence a text: leave `num_return_sequences`",
        ),
        ({"length_penalty": -1000}, "length_penalty` must be a number from -10 to 10"),
        ({"length_penalty": np.float32(11)}, "length_penalty` must be .* Received: 11"),
        (
            {"early_stopping": "always"},
            'early_stopping` must be True, False or "never"',
        ),
        ({"seed": 2**40}, "seed` must be a whole number of 32 bits"),
        ({"max_new_tokens": 4, "min_new_tokens": 4}, "must leave room"),
        ({"do_sample": True, "num_beams": 2}, "drawn without beams"),
        ({"num_return_sequences": 2}, "at most `num_beams`"),
        ({"forced_words": ((),)}, "word without tokens"),
        ({"max_new_tokens": 2, "forced_words": ((3, 4, 5),)}, "do not fit"),
        (
            {"forced_words": ((3, 4, 5),), "forbidden_words": ((4, 5),)},
            "Leave out one of them",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        GenerationConfig(**settings).validate()


def test_scalars_of_numpy_are_numbers():
    given = {
        "num_beams": np.int64(2),
        "penalty_alpha": np.float32(0),
        "length_penalty": np.float64(0.5),
        "early_stopping": np.bool_(True),
    }
    config = GenerationConfig(**given).validate()
    assert config == GenerationConfig(
        num_beams=2, length_penalty=0.5, early_stopping=True
    )
    assert not config.is_contrastive
    assert config.early_stopping is True


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"num_beams": 9}, "num_beams` must be at most the size of the vocabulary, 8"),
        ({"top_k": 9, "do_sample": True}, "top_k` must be at most"),
        ({"forbidden_words": ((8,),)}, "ids from 0 to 7"),
        ({"forced_words": ((4, END),)}, "ends a sequence"),
    ],
)
def test_settings_beyond_the_vocabulary_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        GenerationConfig(**settings).validate().check_vocabulary(8, END)
