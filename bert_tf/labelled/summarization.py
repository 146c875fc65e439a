"""Which sentences make the best summary, and which of those a model likes to take.

Source: Liu and Lapata 2019, BertSum (arXiv:1908.08345), section 3.2 and its code:
`greedy_selection` and trigram blocking.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bert_tf.labelled.examples import MAX_SENTENCES, SummarizationExample
from bert_tf.text.words import split_words

_NGrams = set[tuple[str, ...]]


def greedy_selection(
    sentences: Sequence[str], summary: str, max_sentences: int = MAX_SENTENCES
) -> list[int]:
    """Finds sentences that together share most with a summary, one after the other.

    A sentence is added as long as it raises the sum of the F1 of words and of pairs of
    words, each counted once. BertSum takes runs of ASCII letters and digits for words;
    here they are words of any script, without case and punctuation.

    Args:
        sentences: of the document.
        summary: one written by a person.
        max_sentences: how many are taken at most.

    Returns:
        Indices in the order of the document; none where nothing is shared.
    """
    lines = [_words(line) for line in summary.splitlines()]
    reference = [word for line in lines for word in line]
    wanted = [_ngrams(reference, size) for size in (1, 2)]
    offered = [[_ngrams(_words(s), size) for size in (1, 2)] for s in sentences]
    selected: list[int] = []
    together: list[_NGrams] = [set(), set()]
    best = 0.0
    while len(selected) < max_sentences:
        scores = [
            sum(
                _f1(have | more, want)
                for have, more, want in zip(together, ngrams, wanted, strict=True)
            )
            for ngrams in offered
        ]
        for index in selected:
            scores[index] = 0.0
        index = int(np.argmax(scores)) if scores else 0
        if not scores or scores[index] <= best:
            break
        best = scores[index]
        selected.append(index)
        together = [
            have | more for have, more in zip(together, offered[index], strict=True)
        ]
    return sorted(selected)


def with_oracle_labels(
    examples: Sequence[SummarizationExample], max_sentences: int = MAX_SENTENCES
) -> tuple[list[SummarizationExample], list[str]]:
    """Labels the sentences of documents that have a summary and no labels.

    Args:
        examples: with labels or a summary.
        max_sentences: labelled 1 at most.

    Returns:
        The examples, all with labels, and what was done as lines of text.
    """
    labelled, num_found, num_empty = [], 0, 0
    for example in examples:
        if example.labels is None:
            assert example.summary is not None
            chosen = greedy_selection(example.sentences, example.summary, max_sentences)
            labels = tuple(i in chosen for i in range(len(example.sentences)))
            example = dataclasses.replace(example, labels=labels)
            num_found += 1
            num_empty += not chosen
        labelled.append(example)
    lines = []
    if num_found:
        lines.append(
            f"labelled up to {max_sentences} sentences of {num_found:,} documents, "
            "those that share most with their summary"
        )
    if num_empty:
        lines.append(
            f"warning: {num_empty:,} documents share no word with their summary"
        )
    return labelled, lines


def select_sentences(
    sentences: Sequence[str],
    scores: np.ndarray,
    max_sentences: int = MAX_SENTENCES,
    *,
    block_trigrams: bool = True,
) -> list[int]:
    """Takes the sentences with the highest scores for a summary.

    Args:
        sentences: of the document.
        scores: floats `[sentences]`.
        max_sentences: how many are taken at most.
        block_trigrams: whether a sentence is passed over that shares three words in a
            row with one that was taken.

    Returns:
        Indices in the order of the document.
    """
    selected: list[int] = []
    seen: _NGrams = set()
    for index in np.argsort(-np.asarray(scores), kind="stable").tolist():
        if len(selected) == max_sentences:
            break
        words = _words(sentences[index])
        trigrams = _ngrams(words, 3)
        if not words or (block_trigrams and trigrams & seen):
            continue
        selected.append(index)
        seen |= trigrams
    return sorted(selected)


def _words(text: str) -> list[str]:
    words = (text[start:end].casefold() for start, end in split_words(text))
    return [word for word in words if any(map(str.isalnum, word))]


def _ngrams(words: Sequence[str], size: int) -> _NGrams:
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def _f1(candidate: _NGrams, reference: _NGrams) -> float:
    shared = len(candidate & reference)
    return 2 * shared / (len(candidate) + len(reference)) if shared else 0.0
