"""Contrastive search against one that recomputes everything, a text at a time.

Hugging Face's own left the library with its version 5: the reference is written down
here, from its models' outputs, by section 4 of arXiv:2202.06417.
"""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from hugging_face_models import (
    END,
    PAD,
    START,
    encoder_decoder,
    language_model,
    ours,
    random_texts,
)

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.search import generate

NUM_TEXTS, WIDTH, LENGTH = 24, 12, 12
# Where two candidates are closer than this, rounding may decide.
MARGIN = 2e-5

pytestmark = pytest.mark.slow


def tensors(*arguments):
    return tf.nest.map_structure(tf.constant, arguments)


def numpy(found):
    return type(found)(*(x.numpy() for x in found))


class Pair:
    """One of Hugging Face's models and ours with the same weights."""

    def __init__(self, kind):
        self.texts = random_texts(NUM_TEXTS, WIDTH)
        self.reads = kind == "encoder_decoder"
        theirs = (encoder_decoder if self.reads else language_model)(self.texts)
        # Probabilities that a penalty can outweigh, and ends that come neither at once
        # nor never.
        head = (theirs.decoder if self.reads else theirs).cls.predictions
        with torch.no_grad():
            head.transform.LayerNorm.weight *= 0.5
            head.transform.LayerNorm.bias *= 0.5
            head.bias[END] -= 2.5 if self.reads else 3.5
        self.model = ours(theirs)
        self._exact = copy.deepcopy(theirs).double()

    def arguments(self, rows):
        """Returns what `generate` takes of some of the texts."""
        ids, mask = (values[rows] for values in self.texts)
        if not self.reads:
            return tensors({"input_ids": ids}, ids, mask.sum(1, dtype=np.int32))
        inputs = {
            "input_ids": ids,
            "input_mask": mask,
            "segment_ids": np.zeros_like(ids),
        }
        start = np.full([len(ids), 1], START, np.int32)
        return tensors(inputs, start, np.ones(len(ids), np.int32))

    def search(self, config, alphas):
        """Runs our search, compiled once for all weights of the penalty."""

        def function(alpha, *arguments):
            with_alpha = dataclasses.replace(config, penalty_alpha=alpha)
            return generate(self.model, *arguments, with_alpha, END, PAD)

        compiled = tf.function(function, autograph=False)
        arguments = self.arguments(range(NUM_TEXTS))
        return [numpy(compiled(tf.constant(alpha), *arguments)) for alpha in alphas]

    def forward(self, row, sequences):
        """Returns scores after and last hidden states of sequences for a text."""
        tokens = torch.tensor(sequences)
        given = {"input_ids": tokens}
        if self.reads:
            ids, mask = (torch.from_numpy(x[[row]]).long() for x in self.texts)
            length = int(mask.sum())
            count = len(sequences)
            given = {
                "input_ids": ids[:, :length].repeat(count, 1),
                "decoder_input_ids": tokens,
            }
        with torch.no_grad():
            output = self._exact(**given, output_hidden_states=True)
        states = output.decoder_hidden_states if self.reads else output.hidden_states
        return output.logits.numpy(), states[-1].numpy()

    def reference(self, row, alpha, count, processors=lambda prompt_length: []):
        """Returns what is found for a text, up to where rounding may decide.

        Returns:
            Tokens, their log-probabilities, and whether that is all there is.
        """
        _, prompts, lengths = self.arguments([row])
        prompt = prompts.numpy()[0, : lengths[0]].tolist()
        tokens, log_probs = list(prompt), []
        logits = self.forward(row, [tokens])[0][0, -1]
        while len(tokens) < len(prompt) + LENGTH and END not in tokens[len(prompt) :]:
            scores = torch.from_numpy(logits)[None]
            for processor in processors(len(prompt)):
                scores = processor(torch.tensor([tokens]), scores)
            probabilities = torch.softmax(scores, -1)[0].numpy()
            order = np.argsort(-probabilities)
            next_logits, hidden = self.forward(
                row, [[*tokens, int(candidate)] for candidate in order[:count]]
            )
            values = []
            for candidate, states in zip(order[:count], hidden, strict=True):
                units = states / np.linalg.norm(states, axis=1, keepdims=True)
                penalty = max(float(units[-1] @ unit) for unit in units[:-1])
                values.append((1 - alpha) * probabilities[candidate] - alpha * penalty)
            best = int(np.argmax(values))
            others = np.delete(values, best)
            edge = 1 - probabilities[order[count]] / probabilities[order[count - 1]]
            if min(values[best] - others.max(), edge) < MARGIN:
                return tokens[len(prompt) :], log_probs, False
            tokens.append(int(order[best]))
            log_probs.append(logits[tokens[-1]] - np.logaddexp.reduce(logits))
            logits = next_logits[best, -1]
        return tokens[len(prompt) :], log_probs, True

    def compare(self, found, alpha, count, processors=lambda prompt_length: []):
        """Compares all texts."""
        num_whole = 0
        for row in range(NUM_TEXTS):
            tokens, log_probs, whole = self.reference(row, alpha, count, processors)
            size = len(tokens)
            assert found.token_ids[row, 0, :size].tolist() == tokens
            np.testing.assert_allclose(
                found.token_log_probs[row, 0, :size], log_probs, rtol=1e-3, atol=1e-4
            )
            if whole:
                num_whole += 1
                assert found.lengths[row, 0] == size
                assert not found.token_ids[row, 0, size:].any()
        assert num_whole >= 0.5 * NUM_TEXTS


@pytest.fixture(scope="module", params=["language_model", "encoder_decoder"])
def pair(request):
    return Pair(request.param)


def settings(count, **others):
    return GenerationConfig(
        max_new_tokens=LENGTH, top_k=count, penalty_alpha=0.6, **others
    ).validate()


@pytest.mark.parametrize("count", [2, 5])
def test_tokens_are_those_of_a_search_without_cache(pair, count):
    alphas = (0.0, 0.4, 0.6, 1.0)
    found = pair.search(settings(count), alphas)
    for alpha, each in zip(alphas, found, strict=True):
        pair.compare(each, alpha, count)
    # The comparison sees sequences of all kinds.
    for one, other in itertools.pairwise(found):
        assert (one.token_ids != other.token_ids).any()
    assert len(np.unique(found[2].lengths)) > 3
    arguments = pair.arguments(range(NUM_TEXTS))
    greedy = GenerationConfig(max_new_tokens=LENGTH, top_k=count)
    plain = numpy(generate(pair.model, *arguments, greedy, END, PAD))
    np.testing.assert_array_equal(found[0].token_ids, plain.token_ids)


def test_rules_hold_as_hugging_face_has_them(pair):
    words = ((7,), (50,), (90, 12))
    config = settings(
        4,
        repetition_penalty=1.3,
        no_repeat_ngram_size=2,
        forbidden_words=words,
        min_new_tokens=5,
    )

    def processors(prompt_length):
        return [
            transformers.RepetitionPenaltyLogitsProcessor(1.3),
            transformers.NoRepeatNGramLogitsProcessor(2),
            transformers.NoBadWordsLogitsProcessor([list(word) for word in words]),
            transformers.MinNewTokensLengthLogitsProcessor(prompt_length, 5, END),
        ]

    found = pair.search(config, [0.6])[0]
    pair.compare(found, 0.6, 4, processors)
    without = pair.search(settings(4), [0.6])[0]
    assert (found.token_ids != without.token_ids).any(axis=(1, 2)).mean() > 0.5


def test_a_text_does_not_depend_on_its_batch_or_on_compiling(pair):
    config = settings(3)
    together = pair.search(config, [0.6])[0]
    for row in range(4):
        inputs, prompts, lengths = pair.arguments([row])
        if not pair.reads:
            prompts = prompts[:, : lengths[0]]
        alone = numpy(generate(pair.model, inputs, prompts, lengths, config, END, PAD))
        np.testing.assert_array_equal(alone.token_ids[0], together.token_ids[row])
        for name in ("scores", "token_log_probs"):
            values = getattr(alone, name)[0], getattr(together, name)[row]
            np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)
