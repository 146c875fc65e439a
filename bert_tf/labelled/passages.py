"""Passages of texts as something to write.

A decoder that starts from an encoder's weights attends to nothing at first, and short
targets say little about where to look. Of a passage only the beginning is a guess: each
further word stands behind the one before, for who looks.
"""

import itertools

import numpy as np

from bert_tf.text.words import split_words


def draw_passage(
    text: str, *, read_words: int, min_words: int, max_words: int, seed: int
) -> str | None:
    """Draws a passage of a text, from a word where it may begin to some words on.

    Args:
        text: any.
        read_words: how many of its first words passages are taken from; a model reads
            about as many.
        min_words: of a passage.
        max_words: of a passage; one that begins late ends with what is read.
        seed: Seed of the draw; a text's passage is the same wherever the text stands.

    Returns:
        The passage as it stands in the text; None if that is too short.
    """
    words = list(itertools.islice(split_words(text), read_words))
    if len(words) < min_words:
        return None
    generator = np.random.default_rng([seed, *text.encode()])
    start = int(generator.integers(len(words) - min_words + 1))
    end = min(start + max_words, len(words)) - 1
    return text[words[start][0] : words[end][1]]
