"""N-gram language models with modified Kneser-Ney smoothing, as a yardstick.

Source: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language
Modeling", section 3: interpolated, three discounts an order.
"""

import dataclasses
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True)
class _Order:
    """What is known of the n-grams of one length.

    Attributes:
        keys: int64 `[n-grams]`, ascending: the number of an n-gram's first tokens, as
            an (n-1)-gram, times the size of the vocabulary, and its last token. The
            n-gram's own number is its place here.
        discounted: float `[n-grams]`, counts less their discounts.
        totals: float `[(n-1)-grams]`, the sum of counts after each.
        back_off: float `[(n-1)-grams]`, the share that the shorter n-grams get; 1
            where nothing was seen.
    """

    keys: np.ndarray
    discounted: np.ndarray
    totals: np.ndarray
    back_off: np.ndarray


@dataclasses.dataclass(frozen=True)
class KneserNey:
    """An n-gram model of a sequence of tokens.

    Attributes:
        vocab_size: tokens there are, seen or not.
        orders: of the 1-grams, 2-grams and so on.
    """

    vocab_size: int
    orders: list[_Order]

    @classmethod
    def train(cls, tokens: np.ndarray, vocab_size: int, order: int = 5) -> Self:
        """Counts and smooths.

        Args:
            tokens: integers, as they follow each other.
            vocab_size: all of them are below it.
            order: tokens of the longest n-grams.
        """
        tokens = np.asarray(tokens, np.int64)
        # Of each place where an n-gram begins, its number; there is one 0-gram.
        numbers = np.zeros(len(tokens) + 1, np.int64)
        found = []
        for n in range(1, order + 1):
            count = len(tokens) - n + 1
            shorter, ends = numbers[:count], tokens[n - 1 :]
            keys, first, numbers, counts = np.unique(
                shorter * vocab_size + ends, True, True, True
            )
            found.append((keys, first, numbers, counts))
        orders = []
        for n, (keys, _, _, counts) in enumerate(found, 1):
            if n < order:
                # How many different tokens come before: of each longer n-gram, what
                # its end is as an n-gram. The first one has none, and counts as one.
                longer = found[n][1]
                counts = np.bincount(found[n - 1][2][longer + 1], minlength=len(keys))
                counts = np.maximum(counts, 1)
            num_before = len(found[n - 2][0]) if n > 1 else 1
            orders.append(_smooth(counts, keys, keys // vocab_size, num_before))
        return cls(vocab_size, orders)

    def log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the log-probability of each token but the first, `[tokens - 1]`.

        Each is predicted of the tokens before it, the first ones of fewer.
        """
        tokens = np.asarray(tokens, np.int64)
        probs = np.full(len(tokens) - 1, 1 / self.vocab_size)
        # The number of the n-gram that ends at each place, -1 if it was not seen.
        numbers = np.zeros(len(tokens), np.int64)
        for n, order in enumerate(self.orders, 1):
            context = np.concatenate([[0 if n == 1 else -1], numbers[:-1]])
            wanted = context * self.vocab_size + tokens
            places = np.searchsorted(order.keys[:-1], wanted)
            seen = (order.keys[places] == wanted) & (context >= 0)
            numbers = np.where(seen, places, -1)
            known = (context[1:] >= 0) & (order.totals[context[1:]] > 0)
            before = context[1:][known]
            own = np.where(seen[1:], order.discounted[places[1:]], 0.0)[known]
            probs[known] = own / order.totals[before] + (
                order.back_off[before] * probs[known]
            )
        return np.log(probs)


def _smooth(
    counts: np.ndarray, keys: np.ndarray, contexts: np.ndarray, num: int
) -> _Order:
    """Takes from each count its discount, and gives that to what was not seen.

    Args:
        counts: `[n-grams]`.
        keys: see `_Order`.
        contexts: `[n-grams]`, the number of each one's first tokens.
        num: contexts there are.
    """
    n1, n2, n3, n4 = (int((counts == i).sum()) for i in range(1, 5))
    # KenLM's fallback, for where too little text gives none or impossible ones.
    discounts = np.array([0, 0.5, 1, 1.5])
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        of_text = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        if all(0 <= value <= i for i, value in enumerate(of_text)):
            discounts = np.array(of_text)
    taken = discounts[np.minimum(counts, 3)]
    totals = np.bincount(contexts, counts, num)
    back_off = np.bincount(contexts, taken, num) / np.maximum(totals, 1)
    return _Order(keys, counts - taken, totals, back_off)
