"""Chooses and replaces the tokens that a model learns to predict, a batch at a time.

Static masks are drawn when records are written, dynamic ones when they are read, by
the same functions. The masks of an example are a pure function of its own seed: no
state to save, and the batch around it makes no difference.

Policy: special tokens and [unusedN] are neither masked nor drawn as replacements.
That includes [UNK]: what it stood for cannot be learned from it, so predicting it would
only teach how rare words look around.
"""

import dataclasses
import re
from typing import Self

import numpy as np

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.example_random import uniform, unique_keys
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS, SUFFIX_INDICATOR
from bert_tf.text.vocabulary import Vocabulary

_UNUSED = re.compile(r"\[unused\d+\]")
# Which of an example's random sequences: each decision takes its own.
_CHOICE, _SPAN_LENGTH, _TREATMENT, _REPLACEMENT = range(4)


@dataclasses.dataclass(frozen=True)
class MaskingVocabulary:
    """What masking needs to know of a vocabulary of V entries.

    Attributes:
        pad_id: of [PAD].
        unk_id: of [UNK].
        cls_id: of [CLS].
        sep_id: of [SEP].
        mask_id: of [MASK].
        is_ordinary: bool `[V]`, whether an entry may be masked and be drawn as a
            replacement.
        is_continuation: bool `[V]`, whether an entry goes on a word ("##ing").
        ordinary_ids: int32, the ids where `is_ordinary`.
    """

    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int
    is_ordinary: np.ndarray
    is_continuation: np.ndarray
    ordinary_ids: np.ndarray

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Self:
        """Builds it.

        Raises:
            InputError: no entry may be masked.
        """
        ordinary = np.array(
            [
                entry not in SPECIAL_TOKENS and not _UNUSED.fullmatch(entry)
                for entry in vocabulary.entries
            ]
        )
        if not ordinary.any():
            raise InputError("The vocabulary holds nothing but special tokens.")
        return cls(
            pad_id=vocabulary.pad_id,
            unk_id=vocabulary.unk_id,
            cls_id=vocabulary.cls_id,
            sep_id=vocabulary.sep_id,
            mask_id=vocabulary.mask_id,
            is_ordinary=ordinary,
            is_continuation=np.array(
                [entry.startswith(SUFFIX_INDICATOR) for entry in vocabulary.entries]
            ),
            ordinary_ids=np.flatnonzero(ordinary).astype(np.int32),
        )


def mask_batch(
    input_ids: np.ndarray,
    num_tokens: np.ndarray,
    vocabulary: MaskingVocabulary,
    parameters: DataParameters,
    seeds: np.ndarray,
) -> dict[str, np.ndarray]:
    """Masks a batch.

    Args:
        input_ids: int32 `[batch, S]`, with [CLS] and [SEP], padded. Unchanged.
        num_tokens: int64 `[batch]`, tokens that are not padding.
        vocabulary: whose ids these are.
        parameters: of the data set.
        seeds: uint64 `[batch]`, see `example_seeds`.

    Returns:
        `input_ids` int32 `[batch, S]` with 80 % of the chosen tokens replaced by
        [MASK], 10 % by a random token and 10 % kept; and `masked_lm_positions` int64,
        `masked_lm_ids` int32, `masked_lm_weights` float32, each `[batch, P]`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1; google-research/bert,
    `create_pretraining_data.create_masked_lm_predictions`.
    """
    candidates = vocabulary.is_ordinary[input_ids]
    counts = num_to_mask(num_tokens, candidates.sum(axis=1), parameters)
    if parameters.max_ngram_size > 1 or parameters.do_whole_word_mask:
        starts = word_starts(candidates, vocabulary.is_continuation[input_ids])
        if parameters.max_ngram_size > 1:
            starts = span_starts(candidates, starts, parameters.max_ngram_size, seeds)
        chosen = choose_units(candidates, starts, counts, seeds)
    else:
        chosen = choose_tokens(candidates, counts, seeds)

    rows, columns = np.nonzero(chosen)
    slots = np.arange(len(rows)) - np.searchsorted(rows, rows)
    originals = input_ids[rows, columns]
    shape = (len(input_ids), parameters.max_predictions_per_seq)
    positions, ids = np.zeros(shape, np.int64), np.zeros(shape, np.int32)
    weights = np.zeros(shape, np.float32)
    positions[rows, slots], ids[rows, slots] = columns, originals
    weights[rows, slots] = 1.0

    masked_ids = input_ids.copy()
    treatment = uniform(seeds, _TREATMENT, shape[1])[rows, slots]
    drawn = uniform(seeds, _REPLACEMENT, shape[1])[rows, slots]
    drawn = vocabulary.ordinary_ids[(drawn * len(vocabulary.ordinary_ids)).astype(int)]
    replaced = np.where(treatment < 0.9, originals, drawn)
    masked_ids[rows, columns] = np.where(treatment < 0.8, vocabulary.mask_id, replaced)
    return {
        "input_ids": masked_ids,
        "masked_lm_positions": positions,
        "masked_lm_ids": ids,
        "masked_lm_weights": weights,
    }


def num_to_mask(
    num_tokens: np.ndarray, num_candidates: np.ndarray, parameters: DataParameters
) -> np.ndarray:
    """Returns how many tokens of each example to mask, int64 `[batch]`.

    Args:
        num_tokens: `[batch]`, tokens that are not padding, [CLS] and [SEP] included.
        num_candidates: `[batch]`, tokens that may be masked.
        parameters: of the data set.
    """
    wanted = np.rint(num_tokens * parameters.masked_lm_prob).astype(np.int64)
    limit = np.minimum(num_candidates, parameters.max_predictions_per_seq)
    return np.minimum(np.maximum(wanted, 1), limit)


def choose_tokens(
    candidates: np.ndarray, counts: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    """Chooses `counts` of the candidates of each row, all alike likely.

    Args:
        candidates: bool `[batch, S]`.
        counts: int `[batch]`, at most a row's candidates.
        seeds: uint64 `[batch]`, see `example_seeds`.

    Returns:
        bool `[batch, S]`.
    """
    keys = unique_keys(seeds, _CHOICE, candidates.shape[1])
    keys[~candidates] = np.iinfo(keys.dtype).max
    ranked = np.sort(keys, axis=1)
    threshold = np.take_along_axis(ranked, np.maximum(counts - 1, 0)[:, None], axis=1)
    return (keys <= threshold) & (counts > 0)[:, None]


def choose_units(
    candidates: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    seeds: np.ndarray,
) -> np.ndarray:
    """Chooses whole units in random order while they fit into `counts` tokens.

    Args:
        candidates: bool `[batch, S]`.
        starts: bool `[batch, S]`, candidates at which a unit starts; a unit goes on to
            the next start or non-candidate.
        counts: int `[batch]`, most tokens to choose.
        seeds: uint64 `[batch]`, see `example_seeds`.

    Returns:
        bool `[batch, S]`. A unit that does not fit any more is passed over, so a row
        may end below its count, never above it.
    """
    batch, length = candidates.shape
    units = np.where(candidates, np.cumsum(starts, axis=1), 0)
    flat = units + np.arange(batch)[:, None] * (length + 1)
    sizes = np.bincount(flat.ravel(), minlength=batch * (length + 1))
    sizes = sizes.reshape(batch, length + 1)
    sizes[:, 0] = 0  # Unit 0 is what belongs to none.
    keys = unique_keys(seeds, _CHOICE, sizes.shape[1])
    keys[sizes == 0] = np.iinfo(keys.dtype).max
    order = np.argsort(keys, axis=1)
    sizes = np.take_along_axis(sizes, order, axis=1)
    taken = np.zeros(sizes.shape, bool)
    left = counts.copy()
    for rank in range(length):
        size = sizes[:, rank]
        fits = (size > 0) & (size <= left)
        left -= np.where(fits, size, 0)
        taken[np.arange(batch), order[:, rank]] = fits
        if not left.any() or not size.any():
            break
    return np.take_along_axis(taken, units, axis=1) & candidates


def word_starts(candidates: np.ndarray, continues: np.ndarray) -> np.ndarray:
    """Returns where words start: bool `[batch, S]`.

    Args:
        candidates: bool `[batch, S]`.
        continues: bool `[batch, S]`, tokens that go on a word. One whose word was cut
            off in front starts a unit of its own.
    """
    follows = np.zeros_like(candidates)
    follows[:, 1:] = candidates[:, :-1]
    return candidates & ~(continues & follows)


def span_starts(
    candidates: np.ndarray,
    starts: np.ndarray,
    max_ngram_size: int,
    seeds: np.ndarray,
) -> np.ndarray:
    """Joins neighboring words into spans of random lengths.

    Args:
        candidates: bool `[batch, S]`.
        starts: bool `[batch, S]`, where words start.
        max_ngram_size: N, most words a span; a span of n words has probability
            proportional to 1/n.
        seeds: uint64 `[batch]`, see `example_seeds`.

    Returns:
        bool `[batch, S]`, where spans start; they end at non-candidates at the latest.

    Source of the lengths: Model Garden, `create_pretraining_data._masking_ngrams`.
    Where that draws spans and rejects those that overlap, this cuts the whole text
    into spans first, of which `choose_units` takes some.
    """
    weights = 1 / np.arange(1, max_ngram_size + 1)
    edges = np.cumsum(weights / weights.sum())[:-1]
    draws = uniform(seeds, _SPAN_LENGTH, candidates.shape[1])
    lengths = 1 + np.searchsorted(edges, draws, side="right")
    joined = np.zeros_like(starts)
    left = np.zeros(len(starts), np.int64)  # Words until the running span is full.
    for column in range(candidates.shape[1]):
        left[~candidates[:, column]] = 0
        word = starts[:, column]
        joined[:, column] = word & (left == 0)
        left = np.where(joined[:, column], lengths[:, column], left) - word
    return joined
