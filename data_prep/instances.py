"""From a shard's documents to batches of examples: a pure function."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.example_random import example_seeds
from bert_tf.data.masking import MaskingVocabulary, mask_batch
from data_prep.documents import Documents
from data_prep.pairing import SegmentPairs, make_pairs, max_num_tokens

# Large enough for NumPy's overhead to vanish, small enough to stay in the cache.
_BATCH_SIZE = 1024


def make_instances(
    documents: Documents,
    vocabulary: MaskingVocabulary,
    parameters: DataParameters,
    shard_index: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields a shard's examples in random order.

    Args:
        documents: the shard's.
        vocabulary: of their token ids.
        parameters: of the data set.
        shard_index: number of the shard; with `parameters.random_seed` it is the
            start of all randomness.

    Yields:
        Batches that `example_codec.encode_examples` takes, in the order of
        `parameters.features()`.
    """
    limit = max_num_tokens(parameters)
    # Two parts make an example. Left whole, a long sentence would lose what an example
    # has no room for, and with no second sentence beside it be half of a random pair.
    documents = documents.split_long_sentences(
        size=(limit + 1) // 2, is_continuation=vocabulary.is_continuation
    )
    seed = (parameters.random_seed, shard_index)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    pairs = make_pairs(documents, parameters, seed=int(rng.integers(1 << 62)))
    order = rng.permutation(len(pairs))
    for first in range(0, len(pairs), _BATCH_SIZE):
        rows = order[first : first + _BATCH_SIZE]
        batch = truncate(pairs.take(rows), limit, rng)
        seeds = example_seeds(*seed, positions=rows)
        yield make_batch(documents.tokens, batch, vocabulary, parameters, seeds)


def make_batch(
    tokens: np.ndarray,
    pairs: SegmentPairs,
    vocabulary: MaskingVocabulary,
    parameters: DataParameters,
    seeds: np.ndarray,
) -> dict[str, np.ndarray]:
    """Copies segments into examples and masks them.

    Args:
        tokens: integers `[num_tokens]`, those of the documents.
        pairs: which of them make up each example; they fit into it.
        vocabulary: of the token ids.
        parameters: of the data set.
        seeds: uint64 `[batch]`, of the examples' masks.

    Returns:
        name -> `[batch, *shape]`, in the order of `parameters.features()`.
    """
    length_a = (pairs.a_end - pairs.a_start)[:, None]
    length_b = (pairs.b_end - pairs.b_start)[:, None]
    has_b = parameters.objective != "none"
    first_sep = length_a + 1
    num_tokens = first_sep + 1 + (length_b + 1 if has_b else 0)

    columns = np.arange(parameters.max_seq_length)
    in_a = columns <= first_sep
    in_text = columns < num_tokens
    sources = columns + np.where(
        in_a, pairs.a_start[:, None] - 1, pairs.b_start[:, None] - first_sep - 1
    )
    input_ids = tokens.take(sources, mode="clip").astype(np.int32)
    input_ids[~in_text] = vocabulary.pad_id
    input_ids[:, 0] = vocabulary.cls_id
    np.put_along_axis(input_ids, first_sep, vocabulary.sep_id, axis=1)
    np.put_along_axis(input_ids, num_tokens - 1, vocabulary.sep_id, axis=1)

    batch = {
        "input_ids": input_ids,
        "input_mask": in_text.view(np.uint8),
        "segment_ids": (in_text & ~in_a).view(np.uint8),
        "next_sentence_labels": pairs.label[:, None],
    }
    if not parameters.dynamic_masking:
        batch |= mask_batch(input_ids, num_tokens[:, 0], vocabulary, parameters, seeds)
    return {name: batch[name] for name in parameters.features()}


def truncate(
    pairs: SegmentPairs, max_num_tokens: int, rng: np.random.Generator
) -> SegmentPairs:
    """Shortens pairs to `max_num_tokens`.

    As if tokens were dropped one by one from the longer segment (B if both are
    alike), each from the front or the back by the toss of a coin.

    Args:
        pairs: segments of at least one token, B may have none.
        max_num_tokens: most tokens of A and B together.
        rng: source of the randomness.

    Source: google-research/bert, `create_pretraining_data.truncate_seq_pair`.
    """
    length_a, length_b = pairs.a_end - pairs.a_start, pairs.b_end - pairs.b_start
    # The shorter one stays whole while it takes no more than half; the tie goes to A.
    keep_a = np.minimum(
        length_a, np.maximum(max_num_tokens - length_b, (max_num_tokens + 1) // 2)
    )
    keep_b = np.minimum(length_b, max_num_tokens - keep_a)
    front_a = rng.binomial(length_a - keep_a, 0.5)
    front_b = rng.binomial(length_b - keep_b, 0.5)
    return dataclasses.replace(
        pairs,
        a_start=pairs.a_start + front_a,
        a_end=pairs.a_start + front_a + keep_a,
        b_start=pairs.b_start + front_b,
        b_end=pairs.b_start + front_b + keep_b,
    )
