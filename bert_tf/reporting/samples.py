"""Held-out examples with the model's guesses for their masked tokens."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.text.vocabulary import Vocabulary

_GUESSES = 3


@dataclasses.dataclass(frozen=True)
class Guess:
    """What the model made of one masked token.

    Attributes:
        original: the token that was masked.
        guesses: the likeliest tokens with their probabilities.
    """

    original: str
    guesses: list[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One held-out example.

    Attributes:
        text: its tokens as text, [MASK] where one was masked.
        masked: one a [MASK], in order.
    """

    text: str
    masked: list[Guess]


def fill_masks(
    model: Any, batch: Mapping[str, np.ndarray], vocabulary: Vocabulary
) -> list[Sample]:
    """Lets the model guess the masked tokens of a batch.

    Args:
        model: a `BertPretrainer`.
        batch: name -> `[batch, ...]`, records' features.
        vocabulary: of the data.
    """
    entries = vocabulary.entries
    inputs = {name: tf.constant(values) for name, values in batch.items()}
    probabilities = tf.nn.softmax(model(inputs)["masked_lm_logits"]).numpy()
    samples = []
    for row in range(len(probabilities)):
        length = int(batch["input_mask"][row].sum())
        tokens = [entries[i] for i in batch["input_ids"][row, :length]]
        positions = batch["masked_lm_positions"][row]
        shown = [
            slot
            for slot in np.argsort(positions, kind="stable")
            if batch["masked_lm_weights"][row, slot]
            and tokens[positions[slot]] == "[MASK]"
        ]
        samples.append(
            Sample(
                text=_join(tokens),
                masked=[
                    Guess(
                        entries[batch["masked_lm_ids"][row, slot]],
                        _top(probabilities[row, slot], entries),
                    )
                    for slot in shown
                ],
            )
        )
    return samples


def _top(probabilities: np.ndarray, entries: Sequence[str]) -> list[tuple[str, float]]:
    best = np.argsort(-probabilities)[:_GUESSES]
    return [(entries[i], float(probabilities[i])) for i in best]


def _join(tokens: Sequence[str]) -> str:
    words: list[str] = []
    for token in tokens:
        if token.startswith("##") and words and words[-1] != "[MASK]":
            words[-1] += token.removeprefix("##")
        else:
            words.append(token)
    return " ".join(words)
