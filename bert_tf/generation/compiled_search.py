"""Searches compiled as a whole, and what XLA has to be helped with."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.results import Generated
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.ops.compiled import compiled

# More than the cores of a small machine: what is left over costs nothing.
_PARTS = 4


class ParallelScores:
    """A decoder whose output weights are cut into parts.

    XLA computes the product of a single row on one thread, but several products side by
    side (TensorFlow 2.21), and most weights of a small model are its output weights.
    The parts are copies, made where this is: that has to be outside a search's loop.

    Args:
        decoder: the model.
    """

    def __init__(self, decoder: Decoder):
        self.encode = decoder.encode
        self.decode = decoder.decode
        self.output_weights = decoder.output_weights
        self._logits_of = decoder.logits_of
        weights = decoder.output_weights()
        size = -(-weights.shape[0] // _PARTS)
        starts = range(0, weights.shape[0], size)
        self._parts = [weights[start : start + size] for start in starts]

    def logits_of(
        self, hidden: tf.Tensor, weights: Sequence[tf.Tensor] | None = None
    ) -> tf.Tensor:
        """Returns scores; see `Decoder`."""
        return self._logits_of(hidden, weights or self._parts)


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

    def function(*inputs: tf.Tensor) -> Generated:
        of_text = max(config.num_beams, config.num_return_sequences)
        alone = inputs[0].shape[0] * of_text == 1
        return search(ParallelScores(decoder) if alone else decoder, *inputs)

    return compiled(function)
