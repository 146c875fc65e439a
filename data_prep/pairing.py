"""Cuts documents into the segments of training examples.

A segment is a range of the corpus' tokens, so cutting moves no token; whole batches
of segments are copied later at once (`data_prep.instances`).
"""

import dataclasses
import random
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from bert_tf.data.dataset_info import DataParameters
from data_prep.documents import Documents

# (start and end of A, start and end of B, label), in tokens of the corpus.
_Pair = tuple[int, int, int, int, int]


@dataclasses.dataclass(frozen=True)
class SegmentPairs:
    """Segments A and B of examples, as ranges of `Documents.tokens`.

    Attributes:
        a_start: int64 `[num_pairs]`.
        a_end: int64 `[num_pairs]`.
        b_start: int64 `[num_pairs]`.
        b_end: int64 `[num_pairs]`; equals `b_start` where there is no B.
        label: int64 `[num_pairs]`, 1 where B is not what follows A.
    """

    a_start: np.ndarray
    a_end: np.ndarray
    b_start: np.ndarray
    b_end: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "SegmentPairs":
        """Returns these rows."""
        columns = (getattr(self, field.name) for field in dataclasses.fields(self))
        return SegmentPairs(*(column[rows] for column in columns))


def max_num_tokens(parameters: DataParameters) -> int:
    """Returns how many tokens of text an example holds beside [CLS] and [SEP]."""
    num_specials = 2 if parameters.objective == "none" else 3
    return parameters.max_seq_length - num_specials


def make_pairs(
    documents: Documents, parameters: DataParameters, seed: int
) -> SegmentPairs:
    """Cuts documents into segment pairs, `dupe_factor` times.

    Args:
        documents: what to cut. `next_sentence` takes at least two, because the random
            segments come from another document.
        parameters: of the data set.
        seed: start of the randomness.

    Returns:
        The pairs in the order of the corpus, one pass after the other. Segments may
        be longer than an example; see `instances.truncate`.

    Source: google-research/bert, `create_pretraining_data.create_instances_from_
    document`; `sentence_order` from Lan et al. 2019 (arXiv:1909.11942), section 3.1.
    """
    rng = random.Random(seed)
    cut = {
        "next_sentence": _next_sentence_pairs,
        "sentence_order": _sentence_order_pairs,
        "none": _windows,
    }[parameters.objective]
    limit = max_num_tokens(parameters)
    starts = documents.sentence_starts.tolist()
    bounds = documents.document_starts.tolist()
    pairs: list[_Pair] = []
    for _ in range(parameters.dupe_factor):
        for document in range(documents.num_documents):
            target = limit
            if rng.random() < parameters.short_seq_prob:
                target = rng.randint(2, limit)
            pairs.extend(cut(starts, bounds, document, target, rng))
    columns = np.array(pairs, np.int64).reshape(-1, 5).T
    return SegmentPairs(*columns)


def _next_sentence_pairs(
    starts: list[int], bounds: list[int], document: int, target: int, rng: random.Random
) -> Iterator[_Pair]:
    """Half of the pairs follow each other, half take B from another document."""
    num_documents = len(bounds) - 1
    assert num_documents > 1
    first, last = bounds[document], bounds[document + 1]
    while first < last:
        end = _chunk_end(starts, first, last, target)
        a_end = first + 1
        if end - first >= 2:
            a_end += int(rng.random() * (end - first - 1))
        # One sentence has no rest to serve as the true B.
        if end - first == 1 or rng.random() < 0.5:
            other = int(rng.random() * (num_documents - 1))
            other += other >= document
            b_last = bounds[other + 1]
            b = bounds[other] + int(rng.random() * (b_last - bounds[other]))
            wanted = max(1, target - (starts[a_end] - starts[first]))
            b_end = _chunk_end(starts, b, b_last, wanted)
            yield starts[first], starts[a_end], starts[b], starts[b_end], 1
            first = a_end  # The rest of the chunk goes back.
        else:
            yield starts[first], starts[a_end], starts[a_end], starts[end], 0
            first = end


def _sentence_order_pairs(
    starts: list[int], bounds: list[int], document: int, target: int, rng: random.Random
) -> Iterator[_Pair]:
    """All pairs follow each other, half of them swapped."""
    first, last = bounds[document], bounds[document + 1]
    while first < last:
        end = _chunk_end(starts, first, last, target)
        begin, stop = starts[first], starts[end]
        if end - first >= 2:
            middle = starts[first + 1 + int(rng.random() * (end - first - 1))]
        else:  # One sentence: its two parts follow each other as well.
            middle = begin + 1 + int(rng.random() * (stop - begin - 1))
        if middle < stop:  # A sentence of one token has no parts.
            if rng.random() < 0.5:
                yield begin, middle, middle, stop, 0
            else:
                yield middle, stop, begin, middle, 1
        first = end


def _windows(
    starts: list[int], bounds: list[int], document: int, target: int, rng: random.Random
) -> Iterator[_Pair]:
    """One segment, cut without regard to sentences, so that no token is lost."""
    begin, stop = starts[bounds[document]], starts[bounds[document + 1]]
    # Passes over the corpus differ in where the first window ends.
    end = begin + rng.randint(1, target)
    while begin < stop:
        end = min(end, stop)
        yield begin, end, end, end, 0
        begin, end = end, end + target


def _chunk_end(starts: list[int], first: int, last: int, target: int) -> int:
    """Returns the sentence before which `target` tokens from `first` are reached."""
    return min(bisect_left(starts, starts[first] + target, first + 1, last), last)
