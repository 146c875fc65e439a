"""Tokens drawn at random, each row by a seed of its own.

So what is drawn for a text does not depend on what else is in the batch.
"""

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.ops.dropout import hash_counter

_EXCLUDED = float("-inf")
_SPREAD = 0x85EBCA6B


def row_seeds(
    seed: tf.Tensor | int, token_ids: tf.Tensor, mask: tf.Tensor, num_samples: int
) -> tf.Tensor:
    """Returns a seed for each sample of each text, from what the text says.

    Args:
        seed: int32, of all draws, or `[B, 1]`, of each text's.
        token_ids: integers `[B, length]`, what the model reads of each text.
        mask: integers `[B, length]`, 0 for padding, which makes no difference.
        num_samples: for each text.

    Returns:
        int32 `[B * num_samples, 2]`.
    """
    ids = tf.cast(token_ids, tf.uint32)
    places = tf.cast(tf.range(tf.shape(ids)[1]), tf.uint32)
    seed = tf.cast(seed, tf.int32)
    key = tf.stack([seed, tf.zeros_like(seed)])
    words = hash_counter(ids + places * _SPREAD, key)
    words = tf.where(tf.cast(mask, tf.bool), words, tf.zeros_like(words))
    # Modulo 2**32, which a sum of int64 allows for up to 2**31 places.
    content = tf.reduce_sum(tf.cast(words, tf.int64), axis=1)
    content = tf.bitcast(tf.cast(content % 2**32, tf.uint32), tf.int32)
    content = tf.repeat(content, num_samples)
    sample = tf.tile(tf.range(num_samples), [tf.shape(ids)[0]])
    seed = tf.broadcast_to(tf.reshape(seed, [-1]), tf.shape(ids)[:1])
    seeds = tf.stack([content, tf.repeat(seed, num_samples)])
    numbers = tf.cast(sample, tf.uint32)
    halves = [hash_counter(2 * numbers + half, seeds) for half in (0, 1)]
    return tf.bitcast(tf.stack(halves, axis=1), tf.int32)


def uniform(seeds: tf.Tensor, step: tf.Tensor | int) -> tf.Tensor:
    """Draws a number in [0, 1) for each row.

    Args:
        seeds: int32 `[R, 2]`.
        step: which number of each row's stream.

    Returns:
        float64 `[R]`, of 52 random bits.
    """
    counter = 2 * tf.cast(step, tf.uint32)
    streams = tf.transpose(seeds)
    high, low = (
        tf.cast(hash_counter(counter + half, streams), tf.float64) for half in (0, 1)
    )
    return (high * 2.0**20 + tf.floor(low / 2.0**12)) / 2.0**52


def draw(
    scores: tf.Tensor, seeds: tf.Tensor, step: tf.Tensor | int, config: GenerationConfig
) -> tf.Tensor:
    """Draws a token a row.

    Args:
        scores: float32 `[R, V]`.
        seeds: int32 `[R, 2]`.
        step: of the search.
        config: says which tokens and how probable.

    Returns:
        int32 `[R]`.
    """
    scores, tokens = candidates(scores, config)
    weights = tf.cast(tf.nn.softmax(scores), tf.float64)
    sums = tf.cumsum(weights, axis=1)
    threshold = uniform(seeds, step)[:, tf.newaxis] * sums[:, -1:]
    # The first whose sum exceeds the threshold, so never one of weight 0.
    place = tf.argmax(sums > threshold, axis=1, output_type=tf.int32)
    return place if tokens is None else tf.gather(tokens, place, batch_dims=1)


def candidates(
    scores: tf.Tensor, config: GenerationConfig
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Applies temperature, then keeps the likeliest tokens, in Hugging Face's order.

    Args:
        scores: float32 `[R, V]`.
        config: temperature, top_k, top_p and min_p.

    Returns:
        Scores, `[R, candidates]`, -inf for what is excluded, and the tokens that they
        belong to, int32 of that shape; None if these are all in their order.

    Source: Fan et al. 2018 (arXiv:1805.04833), section 5.4, for top-k; Holtzman et al.
    2019 (arXiv:1904.09751), section 3.1, for top-p; Nguyen et al. 2024
    (arXiv:2407.01082), section 3, for min-p.
    """
    scores = scores / config.temperature
    tokens = None
    if config.top_k or config.limits_mass:
        scores, tokens = tf.math.top_k(scores, config.top_k or scores.shape[-1])
    if config.limits_mass:
        likelier = tf.cumsum(tf.nn.softmax(scores), axis=1, exclusive=True)
        # Rounded sums may reach 1 before the last token, which 1 does not exclude.
        kept = (likelier < config.top_p) | (config.top_p >= 1)
        scores = tf.where(kept, scores, _EXCLUDED)
    if not isinstance(config.min_p, int | float) or config.min_p > 0:
        probabilities = tf.nn.softmax(scores)
        least = config.min_p * tf.reduce_max(probabilities, axis=1, keepdims=True)
        scores = tf.where(probabilities < least, _EXCLUDED, scores)
    return scores, tokens
