"""What decoding (greedy, beam or contrastive search, sampling) asks of a model.

`CausalLM` and `EncoderDecoder` have these methods. They are plain TensorFlow: they work
in a `tf.function`, in a `tf.while_loop`, and in a SavedModel.
"""

from typing import Protocol

import tensorflow as tf

from bert_tf.models.base import Tensors


class Decoder(Protocol):
    """A model that continues token sequences, by what it has kept of their beginning.

    The state is a flat dictionary of tensors, each with an entry a row on axis 0. So
    one `tf.gather` on all of them reorders the rows, as beam search does, or repeats
    each row for its beams. Shapes: B rows, L layers, N heads, T = `max_length`, M the
    memory's length, D width of a head.

    - `past_keys_<i>`, `past_values_<i>`, i in 0..L-1: `[B, N, T, D]`, compute dtype, of
      the tokens so far. What stands at a position that no token has yet been fed at is
      never looked at: feeding a position writes it, and a token sees only positions up
      to its own.
    - With an encoder also `memory_keys_<i>`, `memory_values_<i>`: `[B, N, M, D]`, and
      `memory_mask`: int32 `[B, M]`, 1 for tokens of the memory and 0 for padding. They
      never change.
    """

    def encode(self, inputs: Tensors, max_length: int) -> Tensors:
        """Returns the state of rows that have no tokens yet.

        Args:
            inputs: of an `EncoderDecoder`, the integers `input_ids`, `input_mask` and
                `segment_ids`, `[B, M]`, of the text to encode. Of a `CausalLM`,
                `input_ids` alone, whose axis 0 says how many rows there are: the tokens
                themselves, as of a prompt, are fed by `decode`.
            max_length: T, positions that a row can come to have.

        Raises:
            InputError: more positions than the model knows.
        """

    def decode(
        self, token_ids: tf.Tensor, position: tf.Tensor | int, state: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """Feeds each row its next tokens: a prompt's at once, or one at a time.

        Rows of different lengths may be fed together, each padded at its end: what is
        said of padding means nothing, and the next tokens, fed at their row's own
        position, replace it.

        Args:
            token_ids: integers `[B, n]`.
            position: of the first of these in its row, an integer for all rows or
                `[B]`; `position + n` must be at most T.
            state: of `encode` or of the last call.

        Returns:
            The last hidden state of each token, `[B, n, hidden]`, compute dtype, of
            which `logits_of` makes scores; and the state with these tokens.
        """

    def logits_of(self, hidden: tf.Tensor) -> tf.Tensor:
        """Returns the scores of what comes after tokens, before any softmax.

        Args:
            hidden: of `decode`, `[B, n, hidden]`.

        Returns:
            float32 `[B, n, vocab]`.
        """
