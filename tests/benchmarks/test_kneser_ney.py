"""The n-gram model of the benchmarks, beside one that is counted in dictionaries."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.kneser_ney import KneserNey


def text(length, seed):
    """Tokens of which each depends on the two before it, and some are never seen."""
    rng = np.random.default_rng(seed)
    tokens = [1, 2]
    for _ in range(length - 2):
        usual = (3 * tokens[-1] + tokens[-2]) % 13
        tokens.append(int(usual if rng.random() < 0.5 else rng.zipf(1.5) % 40))
    return np.array(tokens)


class Dictionaries:
    """The definition: Chen and Goodman 1998, equations (2) and (26) by recursion."""

    def __init__(self, tokens, vocab_size, order):
        tokens = tokens.tolist()
        self.vocab_size, self.order = vocab_size, order
        grams = {
            n: Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
            for n in range(1, order + 1)
        }
        self.counts = {order: grams[order]}
        for n in range(1, order):
            before = Counter(gram[1:] for gram in grams[n + 1])
            self.counts[n] = {gram: before[gram] or 1 for gram in grams[n]}
        self.discounts = {}
        for n, counts in self.counts.items():
            of = Counter(counts.values())
            found = [-1]
            if all(of[i] for i in (1, 2, 3, 4)):
                y = of[1] / (of[1] + 2 * of[2])
                found = [i - (i + 1) * y * of[i + 1] / of[i] for i in (1, 2, 3)]
            if min(found) < 0:
                found = [0.5, 1, 1.5]
            self.discounts[n] = [0, *found]

    def prob(self, context, token):
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        return self._prob(tuple(context), token)

    def _prob(self, context, token):
        n = len(context) + 1
        shorter = self._prob(context[1:], token) if context else 1 / self.vocab_size
        after = {g: c for g, c in self.counts[n].items() if g[:-1] == context}
        if not after:
            return shorter
        total = sum(after.values())
        taken = {gram: self.discounts[n][min(c, 3)] for gram, c in after.items()}
        gram = (*context, token)
        own = after.get(gram, 0) - taken.get(gram, 0)
        return own / total + sum(taken.values()) / total * shorter


@pytest.mark.parametrize("order", [1, 3, 4])
def test_it_is_the_one_that_is_counted_in_dictionaries(order):
    train, held_out = text(600, 0), text(80, 1)
    expected = Dictionaries(train, 50, order)
    found = KneserNey.train(train, 50, order).log_probs(held_out)
    wanted = [
        np.log(expected.prob(tuple(held_out[:i].tolist()), int(held_out[i])))
        for i in range(1, len(held_out))
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_what_may_follow_has_a_probability_of_one_in_all():
    model = KneserNey.train(text(600, 0), 50, 3)
    for context in ([5, 2], [49, 48], [1, 2]):
        after = [
            model.log_probs(np.array([*context, token]))[-1] for token in range(50)
        ]
        assert np.exp(after).sum() == pytest.approx(1.0)
