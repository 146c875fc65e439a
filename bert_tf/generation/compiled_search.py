"""Searches compiled as a whole."""

import functools
from collections.abc import Callable

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.results import Generated
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.ops.compiled import compiled


def compiled_search(
    decoder: Decoder, config: GenerationConfig, search: Callable[..., Generated]
) -> Callable[..., Generated]:
    """Returns a search that is compiled once for each shape of a batch.

    By XLA, but for draws that sort the vocabulary, which it is slower at.

    Args:
        decoder: the model.
        config: the search's.
        search: takes a decoder and a batch's tensors, a text a row.

    Returns:
        A function of a batch's tensors.
    """
    if config.sorts_vocabulary:
        return tf.function(functools.partial(search, decoder), autograph=False)
    return compiled(functools.partial(search, decoder))
