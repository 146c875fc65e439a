"""The masked tokens of records: how often each occurs, and what a model guesses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.data.record_source import RecordSource
from bert_tf.data.source import ExampleSource
from bert_tf.reporting.sections import Section, Table, Text
from bert_tf.text.special_tokens import MASK
from bert_tf.text.vocabulary import Vocabulary

_GUESSES = 3
_SAMPLES = 5
# Enough for shares with three digits, and read in seconds.
_BASELINE_EXAMPLES = 50_000
_BATCH = 1000


def count(source: ExampleSource, seed: int) -> np.ndarray:
    """Counts the masked tokens of examples drawn at random.

    Args:
        source: records.
        seed: Seed of the draw.

    Returns:
        int64 `[vocab_size]`.
    """
    assert isinstance(source, RecordSource)
    drawn = source.reshuffled(seed)
    total = min(drawn.num_examples, _BASELINE_EXAMPLES)
    counts = np.zeros(source.dataset.info.vocab_size, np.int64)
    for begin in range(0, total, _BATCH):
        reader = drawn.reader(replica_batch_size=min(_BATCH, total - begin))
        batch = reader.read(begin, 1)
        ids = batch["masked_lm_ids"][batch["masked_lm_weights"] > 0]
        counts += np.bincount(ids, minlength=len(counts))
    return counts


def unigram_baseline(
    train_counts: np.ndarray, eval_counts: np.ndarray
) -> dict[str, float]:
    """Scores the best guess that ignores the sentence.

    The guess is the distribution of the masked tokens of the training records, with
    one added to each count, so that tokens that never occurred cost something finite.

    Args:
        train_counts: int64 `[vocab]`, masked tokens of training records.
        eval_counts: int64 `[vocab]`, of held-out records.

    Returns:
        `unigram_accuracy`, of always guessing the most frequent token, and
        `unigram_loss`, the cross-entropy in nats.
    """
    total = max(int(eval_counts.sum()), 1)
    probabilities = (train_counts + 1) / (train_counts.sum() + len(train_counts))
    return {
        "unigram_accuracy": float(eval_counts[train_counts.argmax()] / total),
        "unigram_loss": float(-(eval_counts * np.log(probabilities)).sum() / total),
    }


def samples(model: Any, source: ExampleSource, seed: int) -> Section:
    """Shows a few held-out examples with the model's guesses.

    Args:
        model: a `BertPretrainer`.
        source: records.
        seed: Seed of the draw.
    """
    assert isinstance(source, RecordSource)
    drawn = source.reshuffled(seed)
    reader = drawn.reader(replica_batch_size=min(_SAMPLES, drawn.num_examples))
    batch = {name: values[0, 0] for name, values in reader.read(0, 1).items()}
    items: list[Text | Table] = []
    for text, rows in fill_masks(model, batch, source.vocabulary()):
        items += [Text(text), Table(rows)]
    return Section("Masked tokens", items)


def fill_masks(
    model: Any, batch: Mapping[str, np.ndarray], vocabulary: Vocabulary
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Lets the model guess the masked tokens of a batch.

    Args:
        model: a `BertPretrainer`.
        batch: name -> `[batch, ...]`, records' features.
        vocabulary: of the data.

    Returns:
        For each example its tokens as text, [MASK] where one was masked, and for each
        [MASK], in order, the token that was masked and the likeliest guesses.
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
            if batch["masked_lm_weights"][row, slot] and tokens[positions[slot]] == MASK
        ]
        rows = [
            (
                entries[batch["masked_lm_ids"][row, slot]],
                _guesses(probabilities[row, slot], entries),
            )
            for slot in shown
        ]
        samples.append((_join(tokens), rows))
    return samples


def _guesses(probabilities: np.ndarray, entries: Sequence[str]) -> str:
    best = np.argsort(-probabilities)[:_GUESSES]
    return ", ".join(f"{entries[i]} {probabilities[i]:.2f}" for i in best)


def _join(tokens: Sequence[str]) -> str:
    words: list[str] = []
    for token in tokens:
        if token.startswith("##") and words and words[-1] != MASK:
            words[-1] += token.removeprefix("##")
        else:
            words.append(token)
    return " ".join(words)
