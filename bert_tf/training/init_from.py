"""Starting a training run from weights of any format."""

import os
from collections.abc import Sequence
from typing import Any

from bert_tf.checkpoints.conversion import ModelWeights, load_any, resizing
from bert_tf.compression.student import with_student_layers
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models.variables import Assignment, assign_variables
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

# Fields of the configuration that change what the same weights compute.
_MEANINGFUL = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "num_attention_heads_by_layer",
    "intermediate_size_by_layer",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
)


def initialize(
    model: Any,
    config: BertConfig,
    vocabulary: Vocabulary,
    path: str | os.PathLike[str],
    layers: Sequence[int] = (),
) -> Assignment:
    """Gives a model the weights that `path` holds, in any format.

    Args:
        model: a built model of `bert_tf.models`.
        config: its configuration.
        vocabulary: the one that the records were written with.
        path: whatever `load_any` reads.
        layers: those of its layers that the model starts from; empty for all.

    Returns:
        What took its value from there; missing heads keep their initial values.

    Raises:
        InputError: the weights are of another configuration or vocabulary, or cannot
            be read.
    """
    weights = load_any(path)
    weights.check_post_norm(f"init_from {path}")
    _check_vocabulary(weights, vocabulary, path)
    weights = resizing.without_surplus_rows(with_student_layers(weights, layers))
    theirs = weights.config
    for field in _MEANINGFUL:
        if getattr(config, field) != getattr(theirs, field):
            raise InputError(
                f"init_from {path}: its {field} is {getattr(theirs, field)!r}, the "
                f"configuration's {getattr(config, field)!r}. Set "
                f"--config.model.{field}, or resize the weights with "
                f"{_convert(path)} --max_position_embeddings=... "
                "--num_hidden_layers=...`"
            )
    return assign_variables(model, weights.variables, strict=False)


def _check_vocabulary(
    weights: ModelWeights, vocabulary: Vocabulary, path: str | os.PathLike[str]
) -> None:
    """Raises an InputError if the records were not written for these weights."""
    adapt = (
        f"adapt the weights with {_convert(path)} --vocab_file=VOCAB` and the "
        "vocab.txt of the records, and start from the result."
    )
    rows, num_entries = weights.config.vocab_size, len(vocabulary)
    if weights.vocabulary is None:
        if rows != num_entries:
            raise InputError(
                f"init_from {path}: comes without a vocabulary, and its {rows} rows "
                f"are not the {num_entries} entries of the records' one. Put the "
                f"vocab.txt that it was trained with beside it, or {adapt}"
            )
    elif weights.vocabulary.entries != vocabulary.entries:
        raise InputError(
            f"init_from {path}: its vocabulary is not the one that the records were "
            f"written with. Prepare the records with its vocab.txt, or {adapt}"
        )
    elif weights.vocabulary != vocabulary:
        raise InputError(
            f"init_from {path}: its text is prepared with "
            f"{_describe(weights.vocabulary.config)}, that of the records with "
            f"{_describe(vocabulary.config)}. Prepare the records with its "
            f"tokenizer_config.json, or {adapt}"
        )


def _convert(path: str | os.PathLike[str]) -> str:
    return f"`python -m bert_tf.convert_checkpoint --from={path} --to=DIRECTORY"


def _describe(config: TokenizerConfig) -> str:
    values = {"do_lower_case": config.do_lower_case}
    values["strip_accents"] = config.strips_accents
    return ", ".join(f"{name} {str(v).lower()}" for name, v in values.items())
