"""One door to all searches."""

import dataclasses

import tensorflow as tf

from bert_tf.generation import beam_search, contrastive_search, token_by_token
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.draws import row_seeds
from bert_tf.generation.results import Generated
from bert_tf.generation.stepping import read_prompts
from bert_tf.models.base import Tensors
from bert_tf.models.decoder_protocol import Decoder

# Settings of the next token's scores, of which each row has its own.
_OF_ROWS = ("repetition_penalty", "temperature", "top_p", "min_p")


def generate(
    decoder: Decoder,
    inputs: Tensors,
    tokens: tf.Tensor,
    lengths: tf.Tensor,
    config: GenerationConfig,
    end_id: int,
    pad_id: int,
) -> Generated:
    """Finds what follows each text.

    Args:
        decoder: the model.
        inputs: of `decoder.encode`.
        tokens: int32 `[B, P]`, where each sequence begins: padded at the end.
        lengths: int32 `[B]`, tokens of each, 1 at least.
        config: which search, and its settings.
        end_id: the token that ends a sequence.
        pad_id: what fills up the results.

    Raises:
        InputError: the prompts and `max_new_tokens` are more positions than the model
            has.
    """
    prompt, hidden = read_prompts(decoder, inputs, tokens, lengths, config)
    if config.is_contrastive:
        return contrastive_search.search(
            decoder, prompt, hidden, config, end_id, pad_id
        )
    if config.num_beams > 1:
        config = _for_rows(config, config.num_beams)
        return beam_search.search(decoder, prompt, config, end_id, pad_id)
    seeds = seeds_of(inputs, tokens, lengths, config) if config.do_sample else None
    config = _for_rows(config, config.num_return_sequences)
    return token_by_token.search(decoder, prompt, config, end_id, pad_id, seeds)


def _for_rows(config: GenerationConfig, count: int) -> GenerationConfig:
    """Returns settings whose numbers of texts, `[B, 1]`, are of rows, `[R, 1]`.

    Args:
        config: the configuration.
        count: rows of each text.
    """
    values = {name: getattr(config, name) for name in _OF_ROWS}
    of_rows = {
        name: tf.repeat(value, count, axis=0)
        for name, value in values.items()
        if tf.is_tensor(value) and value.shape.rank
    }
    return dataclasses.replace(config, **of_rows)


def seeds_of(
    inputs: Tensors, tokens: tf.Tensor, lengths: tf.Tensor, config: GenerationConfig
) -> tf.Tensor:
    """Returns a seed for each sample, from all that the model reads of its text."""
    ids, mask = tokens, tf.sequence_mask(lengths, tokens.shape[1], tf.int32)
    if "input_mask" in inputs:
        ids = tf.concat([tokens, tf.cast(inputs["input_ids"], tf.int32)], axis=1)
        mask = tf.concat([mask, tf.cast(inputs["input_mask"], tf.int32)], axis=1)
    return row_seeds(config.seed, ids, mask, config.num_return_sequences)
