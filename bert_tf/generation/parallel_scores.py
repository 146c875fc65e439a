"""A model whose scores XLA computes on several threads."""

from collections.abc import Sequence

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.models.decoder_protocol import Decoder

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


def for_xla(decoder: Decoder, num_texts: int, config: GenerationConfig) -> Decoder:
    """Returns a decoder as a search that XLA compiles takes it.

    Args:
        decoder: the model.
        num_texts: of a batch.
        config: the search's.
    """
    num_rows = num_texts * max(config.num_beams, config.num_return_sequences)
    if num_rows > 1 or config.sorts_vocabulary:
        return decoder
    return ParallelScores(decoder)
