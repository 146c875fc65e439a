"""Names and layouts of a BERT's weights in Hugging Face and in google-research/bert.

Source of Hugging Face's names: transformers, `modeling_bert.py`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion import names
from bert_tf.errors import InputError

# Heads whose names no rule translates.
_HEAD_NAMES_OUT = {
    names.MASKED_LM_BIAS: "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
_HEAD_NAMES_IN = {theirs: google for google, theirs in _HEAD_NAMES_OUT.items()}
_TIED = {
    "cls.predictions.decoder.weight": names.WORD_EMBEDDINGS,
    "cls.predictions.decoder.bias": names.MASKED_LM_BIAS,
}


def hugging_face_name(name: str) -> str:
    """Translates a google-research/bert name."""
    if name in _HEAD_NAMES_OUT:
        return _HEAD_NAMES_OUT[name]
    name = re.sub(r"/layer_(\d+)/", r"/layer/\1/", name).replace("/", ".")
    name = re.sub(r"_embeddings$", "_embeddings.weight", name)
    name = re.sub(r"\.(kernel|gamma)$", ".weight", name)
    return re.sub(r"\.beta$", ".bias", name)


def google_name(name: str) -> str:
    """Translates a Hugging Face name; one that no BERT has stays recognizable."""
    if name in _HEAD_NAMES_IN:
        return _HEAD_NAMES_IN[name]
    if name in _TIED:
        return name
    if re.match(r"(embeddings|encoder|pooler)\.", name):
        name = f"bert.{name}"
    if not re.match(r"bert\.(embeddings|encoder|pooler)\.|cls\.predictions\.", name):
        return name
    name = re.sub(r"\.LayerNorm\.weight$", ".LayerNorm.gamma", name)
    name = re.sub(r"\.LayerNorm\.bias$", ".LayerNorm.beta", name)
    name = re.sub(r"_embeddings\.weight$", "_embeddings", name)
    name = re.sub(r"\.weight$", ".kernel", name)
    return re.sub(r"\.layer\.(\d+)\.", r".layer_\1.", name).replace(".", "/")


def reshape(name: str, array: np.ndarray) -> np.ndarray:
    """Turns an array of either into the other's shape, by google-research's name."""
    return array.T if name.endswith("/kernel") else array


def is_tied(name: str, prefix: str = "") -> bool:
    """Returns whether a weight, below a prefix, is a copy of another one."""
    return name.startswith(prefix) and name.removeprefix(prefix) in _TIED


def check_tied(
    folder: Path, arrays: Mapping[str, np.ndarray], prefix: str = ""
) -> None:
    """Raises an InputError if a weight that is a copy of another one is none.

    Args:
        folder: what to call in the error.
        arrays: by google-research/bert's name.
        prefix: what stands before these names.
    """
    for copy, original in _TIED.items():
        name, tied_to = prefix + copy, prefix + original
        if name not in arrays:
            continue
        if tied_to in arrays and not np.array_equal(arrays[name], arrays[tied_to]):
            raise InputError(
                f"{folder}: `{name}` must equal `{tied_to}`, as in every published "
                "BERT. Received: weights of its own, which this model has no place for."
            )
