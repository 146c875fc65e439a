"""The model's part of a search: reading prompts, then a token a row."""

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import EMPTY, Prompt, align_right
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

_CONSTANT = "memory_"


def read_prompts(
    decoder: Decoder,
    inputs: Tensors,
    tokens: tf.Tensor,
    lengths: tf.Tensor,
    config: GenerationConfig,
) -> tuple[Prompt, tf.Tensor]:
    """Lets the model read texts and the beginnings of what it is to continue.

    Args:
        decoder: the model.
        inputs: of `decoder.encode`.
        tokens: int32 `[B, P]`, where each sequence begins: padded at the end.
        lengths: int32 `[B]`, tokens of each, 1 at least.
        config: says how much room is needed.

    Returns:
        The prompts, and the last hidden states of their tokens, `[B, P, hidden]`, in
        the places of these.

    Raises:
        InputError: the prompts and `max_new_tokens` are more positions than the model
            has.
    """
    state = decoder.encode(inputs, tokens.shape[1] + config.most_fed)
    hidden, state = decoder.decode(tokens, 0, state)
    last = tf.gather(hidden, lengths[:, tf.newaxis] - 1, batch_dims=1)
    logits = decoder.logits_of(last)[:, 0]
    prompt = Prompt(logits, state, _aligned(tokens, lengths), lengths)
    return prompt, align_right(hidden, lengths)


def _aligned(tokens: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns the tokens of prompts at the right end, `EMPTY` before them."""
    is_token = tf.reverse(tf.sequence_mask(lengths, tokens.shape[1]), axis=[1])
    return tf.where(is_token, align_right(tokens, lengths), EMPTY)


def next_logits(
    decoder: Decoder, tokens: tf.Tensor, position: tf.Tensor, state: Tensors
) -> tuple[tf.Tensor, Tensors]:
    """Feeds a token a row.

    Args:
        decoder: the model.
        tokens: int32 `[R]`; `EMPTY` for rows that have ended.
        position: int32 `[R]`, of the tokens.
        state: the model's.

    Returns:
        The scores of what comes next, float32 `[R, V]`, and the state.
    """
    hidden, state = next_hidden(decoder, tf.maximum(tokens, 0), position, state)
    return decoder.logits_of(hidden[:, tf.newaxis])[:, 0], state


def next_hidden(
    decoder: Decoder, tokens: tf.Tensor, position: tf.Tensor, state: Tensors
) -> tuple[tf.Tensor, Tensors]:
    """Feeds a token a row; see `next_logits`.

    Returns:
        The tokens' last hidden states, `[R, hidden]`, and the state.
    """
    hidden, new_state = decoder.decode(tokens[:, tf.newaxis], position, state)
    return hidden[:, 0], _shaped_like(new_state, state)


def reorder(state: Tensors, rows: tf.Tensor) -> Tensors:
    """Returns a state whose rows are others of the same texts.

    What was made of a text, not of tokens, is the same for all rows of a text.

    Args:
        state: the model's.
        rows: int32 `[R]`, which row each is to be.
    """
    new_state = {
        name: value if name.startswith(_CONSTANT) else tf.gather(value, rows)
        for name, value in state.items()
    }
    return _shaped_like(new_state, state)


def _shaped_like(new_state: Tensors, state: Tensors) -> Tensors:
    """Returns a state with the static shapes of another, which a loop goes by."""
    return {
        name: tf.ensure_shape(new_state[name], value.shape)
        for name, value in state.items()
    }
