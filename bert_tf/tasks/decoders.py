"""What a model folder says of the decoder of an encoder-decoder model.

Beside the encoder's configuration and vocabulary, which every model folder has, the
settings of the task's description hold

- `decoder_config`: a `BertConfig`'s fields; None for the encoder's;
- `decoder_vocabulary`: `entries`, `do_lower_case` and `strip_accents` of what is
  written; None for the encoder's;
- `shared`: what both have in common, see `EncoderDecoder`.
"""

import dataclasses
from typing import Any

import numpy as np

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_dict
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

PARTS = ("decoder_config", "decoder_vocabulary", "shared")
"""The settings that describe a decoder."""

NAME = SequenceToSequenceSettings.name


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
        described = {name: weights.task.settings.get(name) for name in PARTS}
        config = config_of(described) or weights.config
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


def continues(settings: SequenceToSequenceSettings, weights: ModelWeights) -> bool:
    """Returns whether the checkpoint's own decoder is taken as it is."""
    asks_for_another = settings.decoder != "warm_start" or settings.decoder_from
    return weights.task.name == NAME and not asks_for_another


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
    config = dataclasses.replace(source.config, num_hidden_layers=layers)
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
        "decoder_config": None
        if config == weights.config
        else dataclasses.asdict(config),
        "decoder_vocabulary": vocabulary
        and {
            "entries": list(vocabulary.entries),
            "do_lower_case": vocabulary.config.do_lower_case,
            "strip_accents": vocabulary.config.strips_accents,
        },
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
    return load_any(settings.decoder_from) if settings.decoder_from else weights


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


def config_of(settings: dict[str, Any]) -> BertConfig | None:
    """Returns the decoder's configuration; None for the encoder's.

    Args:
        settings: of a task's description.
    """
    stated = settings.get("decoder_config")
    if stated is None:
        return None
    config: BertConfig = from_dict(BertConfig, stated, "the model's decoder_config")
    return config.validate()


def vocabulary_of(settings: dict[str, Any]) -> Vocabulary | None:
    """Returns the vocabulary of what is written; None for the encoder's.

    Args:
        settings: of a task's description.
    """
    stated = settings.get("decoder_vocabulary")
    if stated is None:
        return None
    config = TokenizerConfig(stated["do_lower_case"], stated["strip_accents"])
    source = "the model's decoder_vocabulary"
    return Vocabulary.from_entries(stated["entries"], config, source)
