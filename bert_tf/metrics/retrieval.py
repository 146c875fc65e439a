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
    found = correlations(cosines(first, second), labels)
    return {f"cosine_{name}": value for name, value in found.items()}


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the cosine of each pair of embeddings, `[num_pairs]`; 0.0 with zeros."""
    return np.sum(_normalized(first) * _normalized(second), axis=-1)


def contrastive_loss(
    queries: np.ndarray, documents: np.ndarray, temperature: float
) -> float:
    """Returns how surprising a query's own document is among all documents, in nats.

    It grows with their number, so it can be compared for the same pairs only.

    Args:
        queries: `[num_pairs, hidden]`.
        documents: `[num_pairs, hidden]`, that of the query in the same row.
        temperature: by which cosines are divided.

    Source: van den Oord et al. 2018 (arXiv:1807.03748), equation 4.
    """
    total = check_same_length(queries=queries, documents=documents)
    unit_queries, unit_documents = _normalized(queries), _normalized(documents)
    loss = 0.0
    for begin in range(0, total, _QUERIES_AT_ONCE):
        rows = unit_queries[begin : begin + _QUERIES_AT_ONCE]
        logits = rows @ unit_documents.T / temperature
        highest = logits.max(axis=-1)
        sums = np.exp(logits - highest[:, None]).sum(axis=-1)
        own = logits[np.arange(len(rows)), begin + np.arange(len(rows))]
        loss += float(np.sum(highest + np.log(sums) - own))
    return loss / total


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
        nearness = rows @ unit_documents.T
        own = nearness[np.arange(len(rows)), begin + np.arange(len(rows))][:, None]
        nearer = np.sum(nearness > own + _TIE, axis=-1)
        as_near = np.sum(np.abs(nearness - own) <= _TIE, axis=-1)
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
