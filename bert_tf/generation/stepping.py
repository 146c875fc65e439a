"""The model's part of a search: reading prompts, then a token a row."""

import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.history import EMPTY, Prompt
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

_CONSTANT = "memory_"


def read_prompts(
    decoder: Decoder,
    inputs: Tensors,
    tokens: tf.Tensor,
    lengths: tf.Tensor,
    config: GenerationConfig,
) -> Prompt:
    """Lets the model read texts and the beginnings of what it is to continue.

    Args:
        decoder: the model.
        inputs: of `decoder.encode`.
        tokens: int32 `[B, P]`, where each sequence begins: padded at the end.
        lengths: int32 `[B]`, tokens of each, 1 at least.
        config: says how much room is needed.

    Raises:
        InputError: the prompts and `max_new_tokens` are more positions than the model
            has.
    """
    width = tokens.shape[1]
    # The last token is not fed.
    state = decoder.encode(inputs, width + config.max_new_tokens - 1)
    logits, state = decoder.decode(tokens, 0, state)
    logits = tf.gather(logits, lengths - 1, batch_dims=1)
    shift = (width - lengths)[:, tf.newaxis]
    places = tf.range(width) - shift
    moved = tf.gather(tokens, tf.maximum(places, 0), batch_dims=1)
    tokens = tf.where(places < 0, EMPTY, moved)
    return Prompt(logits, state, tokens, lengths)


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
    logits, new_state = decoder.decode(
        tf.maximum(tokens, 0)[:, tf.newaxis], position, state
    )
    return logits[:, 0], _shaped_like(new_state, state)


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
