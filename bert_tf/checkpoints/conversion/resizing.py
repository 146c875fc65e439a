"""A model's weights for another vocabulary, longer sequences, or fewer layers."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.conversion.model_weights import ModelWeights, initial_values
from bert_tf.checkpoints.model_folder import ModelFolder
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SUFFIX_INDICATOR
from bert_tf.text.vocabulary import Vocabulary

Model = TypeVar("Model", ModelWeights, ModelFolder)

NO_RANGES = "The ranges of int8 training are left out: others hold now."
"""What is said of models that are of another shape than the one that was trained."""


def with_vocabulary(weights: ModelWeights, vocabulary: Vocabulary) -> ModelWeights:
    """Gives a model a vocabulary: its own if it came without, or another, a domain's.

    An entry of the old vocabulary keeps its row of the word embeddings and its
    masked-LM bias. Another one starts at the mean of the pieces that the old
    vocabulary splits it into; one that it cannot split starts anew.

    Args:
        weights: with the old vocabulary or none.
        vocabulary: the new one.

    Raises:
        InputError: `weights` have no vocabulary, and this one has more entries than
            they have rows; or they are an encoder and a decoder.
    """
    if weights.vocabulary is None:
        if len(vocabulary) > weights.config.vocab_size:
            raise InputError(
                "The source comes without a vocabulary, and this one is not its own: "
                f"it has {len(vocabulary)} entries. Expected at most "
                f"{weights.config.vocab_size}, the rows of the embeddings."
            )
        return dataclasses.replace(weights, vocabulary=vocabulary)
    _check_resizable(weights)
    old_ids = {entry: index for index, entry in enumerate(weights.vocabulary.entries)}
    lower = weights.vocabulary.config.do_lower_case
    pieces = [_pieces(entry, old_ids, lower) for entry in vocabulary.entries]
    config = dataclasses.replace(weights.config, vocab_size=len(vocabulary))

    shapes: names.Shapes = {
        names.WORD_EMBEDDINGS: (config.vocab_size, config.hidden_size)
    }
    if names.MASKED_LM_BIAS in weights.variables:
        shapes[names.MASKED_LM_BIAS] = (config.vocab_size,)
    variables = dict(weights.variables)
    for name, rows in initial_values(shapes, config, seed=0).items():
        old = weights.variables[name]
        for row, ids in enumerate(pieces):
            if len(ids) == 1:
                rows[row] = old[ids[0]]
            elif ids:
                rows[row] = old[ids].mean(axis=0)
        variables[name] = rows

    kept = sum(entry in old_ids for entry in vocabulary.entries)
    new = sum(not ids for ids in pieces)
    note = (
        f"New vocabulary of {len(vocabulary)}: {kept} entries keep their rows, "
        f"{len(vocabulary) - kept - new} start at the mean of their pieces, {new} anew."
    )
    added_tokens = [
        dataclasses.replace(token, id=vocabulary.entries.index(token.content))
        for token in weights.hugging_face.added_tokens
        if token.content in vocabulary.entries
    ]
    return dataclasses.replace(
        weights,
        config=config,
        variables=variables,
        vocabulary=vocabulary,
        hugging_face=dataclasses.replace(
            weights.hugging_face, added_tokens=added_tokens
        ),
        notes=[*weights.notes, note],
    )


def without_surplus_rows(model: Model) -> Model:
    """Drops the rows of word embeddings for which there is no entry.

    Some models have more rows than entries, for products of a size that is fast. No
    text leads to such a row, and a prediction must not: without them none can. The same
    holds for the decoder of an encoder-decoder model, whose vocabulary may be another.

    Args:
        model: with a vocabulary; without one nothing is known to be surplus.

    Returns:
        The model without those rows; the same where there are none.
    """
    if model.vocabulary is None:
        return model
    task = model.task
    config, variables = _first_rows(model.config, model.variables, model.vocabulary)
    if task.name == decoder_description.TASK:
        decoder, variables = _first_rows(
            decoder_description.config_of(task.settings) or model.config,
            variables,
            decoder_description.vocabulary_of(task.settings) or model.vocabulary,
            "decoder/",
        )
        described = None if decoder == config else decoder.to_dict()
        task = task.with_settings(decoder_config=described)
    return dataclasses.replace(model, config=config, variables=variables, task=task)


def _first_rows(
    config: BertConfig, variables: Any, vocabulary: Vocabulary, root: str = ""
) -> tuple[BertConfig, Any]:
    """Returns a part of a model with a row an entry, and all variables.

    Args:
        config: the part's.
        variables: of the model, by name.
        vocabulary: the part's.
        root: what the names of its variables begin with.
    """
    num_entries = len(vocabulary)
    if config.vocab_size <= num_entries:
        return config, variables
    cut = {
        root + name: variables[root + name][:num_entries]
        for name in (names.WORD_EMBEDDINGS, names.MASKED_LM_BIAS)
        if root + name in variables
    }
    return dataclasses.replace(config, vocab_size=num_entries), {**variables, **cut}


def with_positions(weights: ModelWeights, max_position_embeddings: int) -> ModelWeights:
    """Makes room for longer sequences by repeating the learned positions.

    Args:
        weights: any.
        max_position_embeddings: new length; a shorter one cuts.

    Raises:
        InputError: it is none, or they are an encoder and a decoder.

    Source: Beltagy et al. 2020 (arXiv:2004.05150), section 5, which finds repeating
    the positions a far better start than random ones.
    """
    if max_position_embeddings < 1:
        raise InputError(
            "`max_position_embeddings` must be at least 1. "
            f"Received: {max_position_embeddings}"
        )
    _check_resizable(weights)
    old = weights.variables[names.POSITION_EMBEDDINGS]
    rows = np.arange(max_position_embeddings) % len(old)
    note = f"Positions: {max_position_embeddings}, repeating the first {len(old)}."
    longest = weights.task.max_seq_length
    if longest is not None:
        longest = min(longest, max_position_embeddings)
    return dataclasses.replace(
        weights,
        config=dataclasses.replace(
            weights.config, max_position_embeddings=max_position_embeddings
        ),
        task=dataclasses.replace(weights.task, max_seq_length=longest),
        variables=weights.variables | {names.POSITION_EMBEDDINGS: old[rows]},
        notes=[*weights.notes, note],
    )


def with_layers(weights: ModelWeights, num_hidden_layers: int) -> ModelWeights:
    """Keeps evenly spread layers, as a student to distil into.

    Args:
        weights: any.
        num_hidden_layers: how many to keep, first and last among them.

    Raises:
        InputError: there are not that many, or they are an encoder and a decoder.

    Source: Sanh et al. 2019 (arXiv:1910.01108), section 3; for 6 of 12 the same
    layers as in its code, 0, 2, 4, 7, 9 and 11.
    """
    count = weights.config.num_hidden_layers
    if not 1 <= num_hidden_layers <= count:
        raise InputError(
            f"`num_hidden_layers` must be from 1 to the source's {count}. "
            f"Received: {num_hidden_layers}"
        )
    kept = np.linspace(0, count - 1, num_hidden_layers).round().astype(int).tolist()
    return keep_layers(weights, kept)


def keep_layers(weights: ModelWeights, kept: Sequence[int]) -> ModelWeights:
    """Leaves out all layers but some.

    Args:
        weights: any.
        kept: those that stay, counted from 0, ascending.

    Raises:
        InputError: they are an encoder and a decoder.
    """
    _check_resizable(weights)
    count = weights.config.num_hidden_layers
    variables, source_names = {}, {}
    for name, array in weights.variables.items():
        if match := re.match(r"bert/encoder/layer_(\d+)/", name):
            layer = int(match[1])
            if layer not in kept:
                continue
            new_root = f"bert/encoder/layer_{kept.index(layer)}/"
            new_name = new_root + name.removeprefix(match[0])
        else:
            new_name = name
        variables[new_name] = array
        source_names[new_name] = weights.source_names.get(name, name)
    notes = [*weights.notes, f"Layers kept, of {count}: {[*kept]}."]
    if weights.ranges:
        notes.append(NO_RANGES)
    return dataclasses.replace(
        weights,
        config=weights.config.with_layers(kept),
        variables=variables,
        ranges={},
        source_names=source_names,
        notes=notes,
    )


def _check_resizable(weights: ModelWeights) -> None:
    """Raises an InputError over a model of two parts, of which one is meant."""
    if weights.task.name == decoder_description.TASK:
        raise InputError(
            "An encoder-decoder model cannot be resized: its decoder would stay as it "
            "is. Resize the checkpoints that encoder and decoder start from."
        )


def _pieces(entry: str, ids: dict[str, int], lower: bool) -> list[int]:
    """Splits an entry greedily into the longest pieces that a vocabulary has."""
    if entry in ids:
        return [ids[entry]]
    is_suffix = entry.startswith(SUFFIX_INDICATOR)
    text = entry.removeprefix(SUFFIX_INDICATOR) if is_suffix else entry
    text = text.lower() if lower else text
    found = []
    start = 0
    while start < len(text):
        prefix = SUFFIX_INDICATOR if is_suffix or start else ""
        for end in range(len(text), start, -1):
            if (piece := prefix + text[start:end]) in ids:
                found.append(ids[piece])
                start = end
                break
        else:
            return []
    return found
