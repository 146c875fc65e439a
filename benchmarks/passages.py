"""Passages of texts as something to write: they teach attention to what is read."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

# Words of a text that passages are taken of, of a passage, and of the shortest one.
_READ, _LONGEST, _SHORTEST = 36, 24, 8


def write_passages(texts: Iterable[str], output: Path) -> None:
    """Writes each text with a passage of it, from a word drawn at random.

    Where a passage begins cannot be known; each further word stands in the text.

    Args:
        texts: without tabs or line breaks; of less than eight words none is taken.
        output: the file, columns `text` and `target`.
    """
    generator = np.random.default_rng(0)
    with output.open("w", encoding="utf-8") as file:
        print("text", "target", sep="\t", file=file)
        for text in texts:
            words = text.split()[:_READ]
            if len(words) >= _SHORTEST:
                start = generator.integers(len(words) - _SHORTEST + 1)
                passage = " ".join(words[start : start + _LONGEST])
                print(text, passage, sep="\t", file=file)
