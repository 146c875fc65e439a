"""Which sentences were taken of documents: their scores and tables."""

from collections.abc import Mapping, Sequence

import numpy as np

from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import SummarizationExample
from bert_tf.metrics.summarization import rouge_metrics
from bert_tf.reporting.sections import Table

_SAMPLES = 10
# Sentences whose places the report tells apart.
_PLACES = 10


def by_document(
    encoded: EncodedExamples, sequences: np.ndarray, values: np.ndarray
) -> dict[int, np.ndarray]:
    """Returns the values of each document's sentences, in order.

    Args:
        encoded: documents in windows.
        sequences: ascending int `[n]`, which windows, all of a document's.
        values: `[n, sentences]` of these.
    """
    counts = encoded.num_cls[sequences]
    real = np.arange(values.shape[1]) < counts[:, np.newaxis]
    documents = np.repeat(encoded.example_of[sequences], counts)
    found, starts = np.unique(documents, return_index=True)
    parts = np.split(values[real], starts[1:])
    return dict(zip(found.tolist(), parts, strict=True))


def rouge(
    documents: Sequence[SummarizationExample], chosen: Sequence[Sequence[int]]
) -> dict[str, float]:
    """Returns `rouge_metrics` of the sentences chosen of each document."""
    texts = [_text(*pair) for pair in zip(documents, chosen, strict=True)]
    return rouge_metrics(texts, [_reference(example) for example in documents])


def selection_f1(
    documents: Sequence[SummarizationExample], chosen: Sequence[Sequence[int]]
) -> float:
    """Returns the F1 of taking the labelled sentences, over those of all documents."""
    right = wanted = taken = 0
    for example, indices in zip(documents, chosen, strict=True):
        assert example.labels is not None
        right += sum(example.labels[index] for index in indices)
        wanted += sum(example.labels)
        taken += len(indices)
    return 2 * right / (wanted + taken) if right else 0.0


def places(
    documents: Sequence[SummarizationExample], chosen: Mapping[int, Sequence[int]]
) -> Table:
    """Returns where the labelled sentences stand, and those that were taken.

    Args:
        documents: all of them.
        chosen: which sentences were taken of each.
    """
    labelled = [np.flatnonzero(example.labels or ()).tolist() for example in documents]
    return Table(
        [
            [name, *shares]
            for name, *shares in zip(
                [*map(str, range(1, _PLACES + 1)), "later"],
                _shares_of_places(labelled),
                _shares_of_places(list(chosen.values())),
                strict=True,
            )
        ],
        ["sentence of the document", "labelled", "taken"],
        "Where the sentences stand",
    )


def samples(
    documents: Sequence[SummarizationExample],
    chosen: Mapping[int, Sequence[int]],
    seed: int,
) -> Table:
    """Returns some documents' summaries, drawn at random.

    Args:
        documents: all of them.
        chosen: which sentences were taken of each.
        seed: Seed of the draw.
    """
    drawn = np.random.default_rng(seed).permutation(len(documents))[:_SAMPLES]
    return Table(
        [
            [_reference(documents[index]), _text(documents[index], chosen[index])]
            for index in np.sort(drawn).tolist()
        ],
        ["reference", "summary"],
        "Documents drawn at random",
    )


def _text(example: SummarizationExample, chosen: Sequence[int]) -> str:
    return "\n".join(example.sentences[index] for index in chosen)


def _reference(example: SummarizationExample) -> str:
    """Returns the summary, or the labelled sentences where there is none."""
    if example.summary is not None:
        return example.summary
    return _text(example, np.flatnonzero(example.labels or ()).tolist())


def _shares_of_places(chosen: Sequence[Sequence[int]]) -> list[float]:
    """Returns how many of the sentences stand first, second, ... in a document."""
    places = np.minimum([i for indices in chosen for i in indices], _PLACES)
    counts = np.bincount(places.astype(int), minlength=_PLACES + 1)
    return (counts / max(1, counts.sum())).tolist()
