"""Sentence embeddings: similarity of pairs, and finding the right one among many."""

from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.inputs import check_finite, check_same_length
from bert_tf.metrics.regression import correlations

# Similarities closer than this are taken for equal: float32 embeddings of one text
# differ by as much between batches.
_TIE = 1e-6
_QUERIES_AT_ONCE = 256


def similarity_metrics(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Compares the cosine of two texts' embeddings with how alike people find them.

    Args:
        first: `[num_pairs, hidden]`.
        second: `[num_pairs, hidden]`.
        labels: `[num_pairs]`, higher for texts that are more alike.

    Returns:
        `cosine_pearson` and `cosine_spearman`, -1 to 1; 0.0 where either is constant.
    """
    check_same_length(first=first, second=second, labels=labels)
    cosines = np.sum(_normalized(first) * _normalized(second), axis=-1)
    return {
        f"cosine_{name}": value for name, value in correlations(cosines, labels).items()
    }


def retrieval_metrics(
    queries: np.ndarray, documents: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """Counts how often a query's own document is among the nearest by cosine.

    All documents are candidates for every query, so that no batch size decides how hard
    it is. Among documents that are equally near, any order is as likely as another, and
    the figure is what is expected: embeddings that are all the same get k of
    `num_pairs`.

    Args:
        queries: `[num_pairs, hidden]`.
        documents: `[num_pairs, hidden]`, that of the query in the same row.
        ks: how many of the nearest are looked at.

    Returns:
        `accuracy_at_<k>` for each k below the number of pairs, the smallest anyway.
    """
    total = check_same_length(queries=queries, documents=documents)
    unit_queries, unit_documents = _normalized(queries), _normalized(documents)
    ks = [k for k in ks if k < total] or [min(ks)]
    found = np.zeros(len(ks))
    for begin in range(0, total, _QUERIES_AT_ONCE):
        rows = unit_queries[begin : begin + _QUERIES_AT_ONCE]
        cosines = rows @ unit_documents.T
        own = cosines[np.arange(len(rows)), begin + np.arange(len(rows))][:, None]
        nearer = np.sum(cosines > own + _TIE, axis=-1)
        as_near = np.sum(np.abs(cosines - own) <= _TIE, axis=-1)
        for i, k in enumerate(ks):
            found[i] += np.clip((k - nearer) / as_near, 0.0, 1.0).sum()
    return {
        f"accuracy_at_{k}": float(count / total)
        for k, count in zip(ks, found, strict=True)
    }


def _normalized(embeddings: np.ndarray) -> np.ndarray:
    """Scales to length 1; embeddings that are all zero stay so."""
    embeddings = check_finite("embeddings", embeddings)
    norms = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.where(norms == 0.0, 1.0, norms)
