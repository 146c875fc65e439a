"""A BERT's shape in a Hugging Face `config.json`.

Source of the keys: Hugging Face transformers, `configuration_bert.py`.
"""

import dataclasses
from typing import Any

from bert_tf.config import BY_LAYER, BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields
from bert_tf.text.tokenizer_config import check_tokenizer_class
from bert_tf.text.vocabulary import Vocabulary

# Hugging Face's "gelu" is the exact function, google-research/bert's its tanh
# approximation.
_ACTIVATIONS_IN = {
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu",
    "gelu_fast": "gelu",
    "gelu_pytorch_tanh": "gelu",
}
_ACTIVATIONS_OUT = {"gelu_erf": "gelu", "gelu": "gelu_new"}

_SHARED_KEYS = [
    f.name
    for f in dataclasses.fields(BertConfig)
    if f.name not in ("hidden_act", *BY_LAYER)
]
# What no BERT of `models/` does otherwise.
_FIXED: dict[str, Any] = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "tie_word_embeddings": True,
}


@dataclasses.dataclass
class HuggingFaceConfig:
    """The fields of `config.json` that matter here, beside those of `BertConfig`."""

    model_type: str | None = "bert"
    architectures: list[str] | None = None
    hidden_act: str = "gelu"
    position_embedding_type: str | None = None
    is_decoder: bool | None = None
    add_cross_attention: bool | None = None
    tie_word_embeddings: bool | None = None
    tokenizer_class: str | None = None
    id2label: dict[str, Any] | None = None
    problem_type: str | None = None
    classifier_dropout: float | None = None


def model_config(
    values: dict[str, Any],
    source: str,
    *,
    is_decoder: bool = False,
    add_cross_attention: bool = False,
) -> BertConfig:
    """Returns the shape that a BERT's `config.json` describes.

    Args:
        values: of the file.
        source: what to call it in an error.
        is_decoder: whether it must be one with a causal mask.
        add_cross_attention: whether it must attend to an encoder, too.

    Raises:
        InputError: another architecture, or a value that does not fit.
    """
    stated: HuggingFaceConfig = from_known_fields(HuggingFaceConfig, values, source)
    fixed = _FIXED | {
        "is_decoder": is_decoder,
        "add_cross_attention": add_cross_attention,
    }
    for name, expected in fixed.items():
        received = getattr(stated, name)
        if received is not None and received != expected:
            reason = ", another architecture" if name == "model_type" else ""
            raise InputError(
                f"{source}: `{name}` must be {expected!r}. "
                f"Received: {received!r:.60}{reason}"
            )
    if stated.hidden_act not in _ACTIVATIONS_IN:
        raise InputError(
            f"{source}: `hidden_act` must be one of {sorted(_ACTIVATIONS_IN)}. "
            f"Received: {stated.hidden_act!r:.60}"
        )
    if stated.tokenizer_class is not None:
        check_tokenizer_class(stated.tokenizer_class, source)
    config: BertConfig = from_known_fields(
        BertConfig, values | {"hidden_act": _ACTIVATIONS_IN[stated.hidden_act]}, source
    )
    try:
        return config.validate()
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def config_values(config: BertConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """Returns what a `config.json` says of a BERT's shape."""
    values: dict[str, Any] = {
        "model_type": "bert",
        "hidden_act": _ACTIVATIONS_OUT[config.hidden_act],
        "position_embedding_type": "absolute",
        **{key: getattr(config, key) for key in _SHARED_KEYS},
    }
    if vocabulary is not None:
        values["pad_token_id"] = vocabulary.pad_id
    return values
