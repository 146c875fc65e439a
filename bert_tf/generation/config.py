"""How sequences are searched for, and what they may be."""

import dataclasses
from typing import Any, Self

import numpy as np

from bert_tf.errors import InputError, check

Words = tuple[tuple[int, ...], ...]

BOUNDS = {
    "length_penalty": (-10.0, 10.0),
    "repetition_penalty": (1e-3, 1e3),
    "temperature": (1e-3, 1e3),
    "top_p": (1e-6, 1.0),
    "min_p": (0.0, 1.0),
    "penalty_alpha": (0.0, 1.0),
}
"""The least and the most of each number; beyond, 32 bits overflow to no answer."""


@dataclasses.dataclass(frozen=True)
class GenerationConfig:
    """The search, its limits, and what is done to the scores.

    Names and meanings are Hugging Face's, but for the words. Greedy search is what
    remains if nothing else is chosen. NumPy's scalars become Python's.

    Attributes:
        max_new_tokens: where a sequence ends at the latest, its end token counted.
        min_new_tokens: tokens before the end token at least.
        num_beams: hypotheses that beam search goes on with; 1 for no beam search.
        num_return_sequences: sequences for each text: of the best beams, or of samples.
        length_penalty: a hypothesis' log-probability is divided by its length to this
            power; may be a float32 tensor, as all numbers below but the integers: a
            scalar, or in `search.generate` `[B, 1]`, a number a text.
        early_stopping: when a beam search ends. True: as soon as there are `num_beams`
            finished hypotheses. False: when the best unfinished one, if it ended here,
            could not beat the worst finished one. "never": when it cannot at any
            length.
        do_sample: whether tokens are drawn.
        temperature: the scores are divided by it before tokens are drawn.
        penalty_alpha: weight of the degeneration penalty of contrastive search, from 0,
            which is greedy search, to 1.
        top_k: tokens to draw from, the likeliest ones; 0 for all. In contrastive search
            the candidates of each step.
        top_p: tokens to draw from, the fewest whose probabilities reach this sum.
        min_p: tokens to draw from, those at least so probable as the likeliest one
            times this.
        seed: of the draws; may be an int32 tensor of such a shape.
        no_repeat_ngram_size: no n tokens in a row occur twice; 0 for any.
        repetition_penalty: what occurred before gets a score that many times worse.
        forbidden_words: token ids of each; none of them occurs.
        forced_words: token ids of each; all of them occur. They go before what the
            other settings say.
    """

    max_new_tokens: int = 64
    min_new_tokens: int = 0
    num_beams: int = 1
    num_return_sequences: int = 1
    length_penalty: Any = 1.0
    early_stopping: bool | str = False
    do_sample: bool = False
    temperature: Any = 1.0
    penalty_alpha: Any = 0.0
    top_k: int = 0
    top_p: Any = 1.0
    min_p: Any = 0.0
    seed: Any = 0
    no_repeat_ngram_size: int = 0
    repetition_penalty: Any = 1.0
    forbidden_words: Words = ()
    forced_words: Words = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                object.__setattr__(self, field.name, value.item())

    @property
    def is_contrastive(self) -> bool:
        """Whether this is contrastive search; see `contrastive_search`."""
        return not _is_number(self.penalty_alpha) or self.penalty_alpha > 0

    @property
    def limits_mass(self) -> bool:
        """Whether draws are from the likeliest tokens that have some probability."""
        return not _is_number(self.top_p) or self.top_p < 1

    @property
    def sorts_vocabulary(self) -> bool:
        """Whether all scores are sorted, which XLA is slow at, for each token."""
        return self.do_sample and self.limits_mass and not self.top_k

    @property
    def most_fed(self) -> int:
        """How many new tokens a model is fed at most.

        Not the last one, unless it is compared with others by what the model makes of
        it.
        """
        return self.max_new_tokens - (not self.is_contrastive)

    def validate(self) -> Self:
        """Returns self.

        Raises:
            InputError: a value that cannot be, or two that contradict each other.
        """
        for name, least in (
            ("max_new_tokens", 1),
            ("min_new_tokens", 0),
            ("num_beams", 1),
            ("num_return_sequences", 1),
            ("top_k", 0),
            ("no_repeat_ngram_size", 0),
        ):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            check(
                self, name, whole and value >= least, f"a whole number, {least} or more"
            )
        for name, (low, high) in BOUNDS.items():
            holds = self._may_be(name, int | float, low, high)
            check(self, name, holds, f"a number from {low:g} to {high:g}")
        holds = self._may_be("seed", int, -(2**31), 2**31 - 1)
        check(self, "seed", holds, "a whole number of 32 bits")
        check(self, "do_sample", isinstance(self.do_sample, bool), "True or False")
        check(
            self,
            "early_stopping",
            any(self.early_stopping is x for x in (True, False))
            or self.early_stopping == "never",
            'True, False or "never"',
        )
        self._check_combinations()
        return self

    def check_vocabulary(self, vocab_size: int, end_id: int) -> Self:
        """Returns self, if it fits a vocabulary.

        Args:
            vocab_size: the model's.
            end_id: what ends a sequence.

        Raises:
            InputError: more beams than tokens, or words that have other tokens.
        """
        for name in ("num_beams", "top_k"):
            check(
                self,
                name,
                getattr(self, name) <= vocab_size,
                f"at most the size of the vocabulary, {vocab_size:,}",
            )
        for name in ("forbidden_words", "forced_words"):
            for word in getattr(self, name):
                if any(not 0 <= token < vocab_size for token in word):
                    raise InputError(
                        f"`{name}` must consist of ids from 0 to {vocab_size - 1:,}. "
                        f"Received: {word}"
                    )
        for word in self.forced_words:
            if end_id in word:
                raise InputError(
                    f"`forced_words` cannot hold {end_id}, which ends a sequence. "
                    f"Received: {word}"
                )
        return self

    def _may_be(self, name: str, kind: Any, least: float, most: float) -> bool:
        """Returns whether a field is a number in a range, or not known yet."""
        value = getattr(self, name)
        if hasattr(value, "dtype"):  # A tensor.
            return True
        number = isinstance(value, kind) and not isinstance(value, bool)
        return number and least <= value <= most  # Which NaN is not.

    def _check_combinations(self) -> None:
        if self.min_new_tokens >= self.max_new_tokens:
            raise InputError(
                "`min_new_tokens` must leave room for the end token below "
                f"`max_new_tokens`. Received: {self.min_new_tokens} and "
                f"{self.max_new_tokens}"
            )
        if self.is_contrastive:
            self._check_contrastive()
        if self.do_sample and self.num_beams > 1:
            raise InputError(
                "Tokens are drawn without beams: leave `num_beams` at 1, or "
                f"`do_sample` off. Received: num_beams={self.num_beams}"
            )
        if self.num_return_sequences > self.num_beams and not self.do_sample:
            raise InputError(
                "`num_return_sequences` can be at most `num_beams`, unless tokens are "
                f"drawn. Received: {self.num_return_sequences} and {self.num_beams}"
            )
        self._check_words()

    def _check_contrastive(self) -> None:
        if self.top_k < 2:
            raise InputError(
                "`penalty_alpha` chooses among the `top_k` likeliest tokens: set "
                f"`top_k` to 2 or more. Received: {self.top_k}"
            )
        if self.do_sample:
            raise InputError(
                "Contrastive search draws no tokens: leave `do_sample` off, or "
                f"`penalty_alpha` at 0. Received: penalty_alpha={self.penalty_alpha}"
            )
        for name in ("num_beams", "num_return_sequences"):
            if getattr(self, name) > 1:
                raise InputError(
                    f"Contrastive search finds one sequence a text: leave `{name}` at "
                    f"1, or `penalty_alpha` at 0. Received: {getattr(self, name)}"
                )

    def _check_words(self) -> None:
        for name in ("forbidden_words", "forced_words"):
            if not all(getattr(self, name)):
                raise InputError(f"`{name}` holds a word without tokens. Leave it out.")
        room = self.max_new_tokens
        needed = sum(map(len, self.forced_words))
        if needed > room:
            raise InputError(
                f"`forced_words` have {needed} tokens and do not fit into "
                f"`max_new_tokens`, {room}. Raise that or force fewer."
            )
        for word in self.forced_words:
            for forbidden in self.forbidden_words:
                starts = range(len(word) - len(forbidden) + 1)
                if any(word[i : i + len(forbidden)] == forbidden for i in starts):
                    raise InputError(
                        f"`forced_words` has {word}, and `forbidden_words` forbids "
                        f"{forbidden} in it. Leave out one of them."
                    )


def _is_number(value: Any) -> bool:
    """Returns whether a value is known now, not only when a graph runs."""
    return isinstance(value, int | float)
