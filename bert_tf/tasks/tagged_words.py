"""From predictions for pieces to tags of words, entities and figures of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import TaggedSentence
from bert_tf.metrics.classification import ClassFigures
from bert_tf.reporting.sections import Table
from bert_tf.text.alignment import find_entities, first_pieces, words_of_pieces

_WORST_SENTENCES = 20


@dataclasses.dataclass(frozen=True)
class TaggedWords:
    """What the model says of a sentence.

    Attributes:
        tags: of each word.
        probabilities: of each word's tag, float32 `[words]`; 0.0 for a word of which
            the tokenizer leaves nothing, which has the first of all tags.
    """

    tags: tuple[str, ...]
    probabilities: np.ndarray


def tagged_words(
    examples: Sequence[TaggedSentence],
    encoded: EncodedExamples,
    names: Sequence[str],
    sequences: np.ndarray,
    tags: np.ndarray,
    probabilities: np.ndarray,
) -> dict[int, TaggedWords]:
    """Returns the tags of the words of each example that was predicted on.

    Args:
        examples: all of them.
        encoded: the same as ids.
        names: of the tags, by number.
        sequences: int `[n]`, which windows were predicted on, all of an
            example's.
        tags: int32 `[n, length]`.
        probabilities: float32 `[n, length]`.
    """
    windows, contexts = encoded.windows, encoded.contexts
    assert windows is not None and contexts is not None
    seen = windows.best_seen(contexts.row_splits)
    row_of = np.full(len(windows), -1)
    row_of[sequences] = np.arange(len(sequences))
    rows = row_of[seen.windows]
    given = rows >= 0
    places, pieces = seen.places[given], seen.pieces[given]
    of_pieces = np.zeros(len(contexts.ids), np.int32)
    of_pieces[pieces] = tags[rows[given], places]
    sure = np.zeros(len(contexts.ids), np.float32)
    sure[pieces] = probabilities[rows[given], places]
    found = {}
    for index in np.unique(windows.examples[sequences]).tolist():
        example, begin = examples[index], contexts.row_splits[index]
        words = words_of_pieces(example.spans, *contexts.offsets(index))
        first = first_pieces(words, len(example.spans))
        has_piece = first >= 0
        tag_ids = np.zeros(len(first), np.int32)
        word_sure = np.zeros(len(first), np.float32)
        tag_ids[has_piece] = of_pieces[begin + first[has_piece]]
        word_sure[has_piece] = sure[begin + first[has_piece]]
        found[index] = TaggedWords(tuple(names[i] for i in tag_ids.tolist()), word_sure)
    return found


def entities(example: TaggedSentence, words: TaggedWords) -> list[dict[str, Any]]:
    """Returns the entities that the tags mark, with their places in the text.

    The probability of an entity is the mean of its words'.
    """
    number_of = {start: n for n, (start, _) in enumerate(example.spans)}
    last_of = {end: n for n, (_, end) in enumerate(example.spans)}
    return [
        {
            "text": example.text[entity.start : entity.end],
            "label": entity.type,
            "start": entity.start,
            "end": entity.end,
            "probability": float(
                words.probabilities[
                    number_of[entity.start] : last_of[entity.end] + 1
                ].mean()
            ),
        }
        for entity in find_entities(words.tags, example.spans)
    ]


def tag_figures(
    predicted: Sequence[Sequence[str]], true: Sequence[Sequence[str]]
) -> list[ClassFigures]:
    """Returns how each tag fared that occurs or was said."""
    said = np.array([tag for tags in predicted for tag in tags])
    is_so = np.array([tag for tags in true for tag in tags])
    return [
        ClassFigures(
            str(name),
            int(((said == name) & (is_so == name)).sum()),
            int((is_so == name).sum()),
            int((said == name).sum()),
        )
        for name in np.unique(np.concatenate([said, is_so]))
    ]


def worst_sentences(
    examples: Sequence[TaggedSentence], found: Mapping[int, TaggedWords]
) -> Table:
    """Shows the sentences with the most wrong tags, weighted by how sure they were."""
    faults = []
    for index, words in found.items():
        true = examples[index].tags
        assert true is not None
        wrong = np.array([a != b for a, b in zip(words.tags, true, strict=True)])
        if wrong.any():
            faults.append((-float(words.probabilities[wrong].sum()), index, wrong))
    rows = []
    for _, index, wrong in sorted(faults, key=lambda fault: fault[:2]):
        example, tags = examples[index], found[index].tags
        assert example.tags is not None
        rows.append(
            [
                example.text,
                "; ".join(
                    f"{example.words[i]}: {example.tags[i]}, not {tags[i]}"
                    for i in np.flatnonzero(wrong)
                ),
            ]
        )
        if len(rows) == _WORST_SENTENCES:
            break
    return Table(rows, ["sentence", "wrong tags"], "Worst sentences")
