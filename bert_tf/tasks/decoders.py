"""Where the decoder of an encoder-decoder model comes from."""

import dataclasses
from typing import Any

import numpy as np

from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.decoder_description import (
    SETTINGS,
    config_of,
    describe_vocabulary,
)
from bert_tf.errors import InputError
from bert_tf.tasks.settings import SequenceToSequenceSettings


def describe_decoder(
    settings: SequenceToSequenceSettings, weights: ModelWeights
) -> dict[str, Any]:
    """Returns what a model folder is to say of a decoder.

    Args:
        settings: of the run.
        weights: of the checkpoint that the encoder starts from.

    Raises:
        InputError: the settings don't fit the checkpoint.
    """
    if continues(settings, weights):
        described = {name: weights.task.settings.get(name) for name in SETTINGS}
        config = config_of(described) or weights.config
        _check_taken(settings, config.num_hidden_layers, described["shared"])
    else:
        described = _new_decoder(settings, weights)
        config = config_of(described) or weights.config
    positions = config.max_position_embeddings
    if settings.max_target_length - 1 > positions:
        raise InputError(
            f"`task.max_target_length` must be at most {positions + 1}, one more than "
            f"the decoder's positions. Received: {settings.max_target_length}"
        )
    return described


def _check_taken(
    settings: SequenceToSequenceSettings, layers: int, shared: str | None
) -> None:
    """Refuses what would be another decoder than the checkpoint's own."""
    if settings.num_decoder_layers not in (0, layers):
        raise InputError(
            f"`task.num_decoder_layers` must be 0 or {layers}, the layers of the "
            "checkpoint's own decoder, which is taken as it is; or `task.decoder` "
            f"random. Received: {settings.num_decoder_layers}"
        )
    if settings.tie_word_embeddings and shared not in ("word_embeddings", "all"):
        raise InputError(
            "`task.tie_word_embeddings`: the checkpoint's own encoder and decoder have "
            "a table each, and are taken as they are. Leave it out, or set "
            "`task.decoder` to random."
        )


def continues(settings: SequenceToSequenceSettings, weights: ModelWeights) -> bool:
    """Returns whether the checkpoint's own decoder is taken as it is."""
    asks_for_another = settings.decoder != "warm_start" or settings.decoder_from
    return weights.task.name == settings.name and not asks_for_another


def _new_decoder(
    settings: SequenceToSequenceSettings, weights: ModelWeights
) -> dict[str, Any]:
    source = decoder_weights(settings, weights)
    layers = settings.num_decoder_layers or source.config.num_hidden_layers
    if layers > source.config.num_hidden_layers and settings.decoder != "random":
        raise InputError(
            f"`task.num_decoder_layers` must be at most "
            f"{source.config.num_hidden_layers}, the layers of the decoder's "
            f"checkpoint, or `task.decoder` random. Received: {layers}"
        )
    if settings.decoder == "random":
        config = dataclasses.replace(
            source.config,
            num_hidden_layers=layers,
            num_attention_heads_by_layer=(),
            intermediate_size_by_layer=(),
        )
    else:
        config = source.config.with_layers(range(layers))
    vocabulary = None
    if settings.decoder_from:
        if source.vocabulary is None:
            raise InputError(
                f"`task.decoder_from`: {settings.decoder_from} has no vocabulary, so "
                "nothing can be written with it."
            )
        if source.vocabulary != weights.vocabulary:
            vocabulary = source.vocabulary
    shared = "all" if settings.decoder == "shared" else "nothing"
    if settings.tie_word_embeddings and shared == "nothing":
        shared = "word_embeddings"
        same = (config.vocab_size, config.hidden_size) == (
            weights.config.vocab_size,
            weights.config.hidden_size,
        )
        if vocabulary is not None or not same:
            raise InputError(
                "`task.tie_word_embeddings`: encoder and decoder must have the same "
                "vocabulary and width. Leave it out, or leave out `task.decoder_from`."
            )
    return {
        "decoder_config": None if config == weights.config else config.to_dict(),
        "decoder_vocabulary": vocabulary and describe_vocabulary(vocabulary),
        "shared": shared,
    }


def decoder_weights(
    settings: SequenceToSequenceSettings, weights: ModelWeights
) -> ModelWeights:
    """Returns the weights that a new decoder is made after.

    Args:
        settings: of the run.
        weights: of the checkpoint that the encoder starts from.
    """
    if not settings.decoder_from:
        return weights
    found = resizing.without_surplus_rows(load_any(settings.decoder_from))
    found.check_post_norm(f"`task.decoder_from` {settings.decoder_from}")
    return found


def initial_variables(
    settings: SequenceToSequenceSettings, weights: ModelWeights
) -> dict[str, np.ndarray]:
    """Returns what a new encoder-decoder model takes of its checkpoints, by name.

    Args:
        settings: of the run.
        weights: of the checkpoint that the encoder starts from.
    """
    if continues(settings, weights):
        return dict(weights.variables)
    values = {n: v for n, v in weights.variables.items() if n.startswith("bert/")}
    if settings.decoder != "random":
        source = decoder_weights(settings, weights)
        values |= {
            f"decoder/{name}": value
            for name, value in source.variables.items()
            if name.startswith(("bert/", "cls/predictions/"))
        }
    return values
