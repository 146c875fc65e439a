"""More texts like those at hand: words replaced by what a masked LM puts there."""

from collections.abc import Iterator, Sequence

import numpy as np

from bert_tf.prediction.predictor import Predictor
from bert_tf.text.words import split_words

# Masked texts that are predicted on together.
_CHUNK = 4096


class WordReplacer:
    """Writes variants of texts.

    A word that is one entry of the vocabulary is masked where it stands, and the
    entries that the model finds likeliest are its candidates. Each variant of the text
    then takes another word, in a share of the places, from among the candidates.

    Source: Jiao et al. 2019 (arXiv:1909.10351), algorithm 1; words of several pieces,
    for which it has GloVe's neighbors, stay here.

    Args:
        predictor: a masked LM; its `top_k` candidates a word.
        replace_share: the probability that a word with candidates is replaced.
        copies: variants of each text.
        seed: Seed of the draws; a text's are the same wherever it stands.
    """

    def __init__(
        self, predictor: Predictor, *, replace_share: float, copies: int, seed: int
    ):
        self._predictor = predictor
        self._replace_share, self._copies, self._seed = replace_share, copies, seed
        self._entries = frozenset(predictor.vocabulary.entries)
        self._lower = predictor.vocabulary.config.do_lower_case

    def variants(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yields the variants of each text that differ from it and from each other."""
        spans = [self._replaceable(text) for text in texts]
        masked = [
            # A text may have such a word itself.
            (f"{text[:start]}[MASK]{text[end:]}", text[:start].count("[MASK]"))
            for text, found in zip(texts, spans, strict=True)
            for start, end in found
        ]
        candidates = self._candidates(masked)
        for text, found in zip(texts, spans, strict=True):
            words = [next(candidates) for _ in found]
            generator = np.random.default_rng([self._seed, *text.encode()])
            drawn = (
                self._variant(text, found, words, generator)
                for _ in range(self._copies)
            )
            yield [variant for variant in dict.fromkeys(drawn) if variant != text]

    def _replaceable(self, text: str) -> list[tuple[int, int]]:
        """Returns where the words stand that are one entry each."""
        return [
            (start, end)
            for start, end in split_words(text)
            if text[start:end].isalpha() and self._entry(text[start:end])
        ]

    def _entry(self, word: str) -> bool:
        return (word.lower() if self._lower else word) in self._entries

    def _candidates(self, masked: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
        """Yields the words that may stand at a mask; perhaps none.

        Args:
            masked: texts, and which of their masks is meant.
        """
        for start in range(0, len(masked), _CHUNK):
            chunk = masked[start : start + _CHUNK]
            rows = self._predictor.predict([text for text, _ in chunk])
            for row, (_, number) in zip(rows, chunk, strict=True):
                # A long text may have been cut before it.
                guesses = row["masks"][number] if number < len(row["masks"]) else ()
                yield [g["token"] for g in guesses if g["token"].isalpha()]

    def _variant(
        self,
        text: str,
        spans: Sequence[tuple[int, int]],
        words: Sequence[list[str]],
        generator: np.random.Generator,
    ) -> str:
        parts, before = [], 0
        for (start, end), candidates in zip(spans, words, strict=True):
            if candidates and generator.random() < self._replace_share:
                word = candidates[generator.integers(len(candidates))]
                parts += [text[before:start], word]
                before = end
        return "".join([*parts, text[before:]])
