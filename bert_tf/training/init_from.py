"""Starting a training run from weights of any format."""

import dataclasses
import os
from typing import Any

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models.variables import Assignment, assign_variables
from bert_tf.text.vocabulary import Vocabulary

# Fields of the configuration that change what the same weights compute.
_MEANINGFUL = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
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
) -> Assignment:
    """Gives a model the weights that `path` holds, in any format.

    Args:
        model: a built model of `bert_tf.models`.
        config: its configuration.
        vocabulary: the one that the records were written with.
        path: whatever `load_any` reads.

    Returns:
        What took its value from there; missing heads keep their initial values.

    Raises:
        InputError: the weights are of another configuration or vocabulary, or cannot
            be read.
    """
    weights = load_any(path)
    ours, theirs = dataclasses.asdict(config), dataclasses.asdict(weights.config)
    convert = (
        f"`python -m bert_tf.convert_checkpoint --from={path} --to=... "
        "--vocab_file=... --max_position_embeddings=... --num_hidden_layers=...`"
    )
    for field in _MEANINGFUL:
        if ours[field] != theirs[field]:
            raise InputError(
                f"init_from {path}: its {field} is {theirs[field]!r}, the "
                f"configuration's {ours[field]!r}. Set --config.model.{field}, or "
                f"resize the weights with {convert}"
            )
    if weights.vocabulary is not None and weights.vocabulary != vocabulary:
        raise InputError(
            f"init_from {path}: its vocabulary is not the one that the records were "
            "written with. Prepare the records with its vocab.txt, or adapt the "
            f"weights with {convert}"
        )
    return assign_variables(model, weights.variables, strict=False)
