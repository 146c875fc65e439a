"""Hugging Face folders: `config.json` and `model.safetensors`, whole or in shards.

Source of names and configuration keys: Hugging Face transformers, `modeling_bert.py`
and `configuration_bert.py`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.conversion.model_weights import (
    ModelWeights,
    RenamedArrays,
    collect,
)
from bert_tf.checkpoints.conversion.safetensors_folder import WEIGHTS, open_arrays
from bert_tf.checkpoints.conversion.vocabularies import read_beside
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.storage.safetensors_files import write_tensors
from bert_tf.text.vocabulary import (
    TOKENIZER_CONFIG_NAME,
    TokenizerConfig,
    Vocabulary,
)

_CONFIG = "config.json"
_TOKENIZER = "tokenizer.json"

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

_ARCHITECTURES = {
    "sequence_classification": "BertForSequenceClassification",
    "token_classification": "BertForTokenClassification",
    "multiple_choice": "BertForMultipleChoice",
    "question_answering": "BertForQuestionAnswering",
}
_SHARED_KEYS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
    "layer_norm_eps",
)
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


def load(folder: Path) -> ModelWeights:
    """Reads a Hugging Face folder.

    Raises:
        InputError: another architecture, a pickle file instead of safetensors, a
            damaged file, or weights that don't fit the configuration.
    """
    config_path = folder / _CONFIG
    values = read_json(config_path)
    config = _config_from(values, config_path)
    arrays = open_arrays(folder)
    source_names = {_google_name(name): name for name in arrays}
    task = _task(values, source_names)

    renamed = RenamedArrays(arrays, source_names, _reshape)
    _check_tied(folder, renamed)
    variables, left_over = collect(str(folder), config, renamed, task)
    head = names.TASK_HEADS[task][0] if task else None
    labels = values.get("id2label") or {}
    has_head = head in variables
    return ModelWeights(
        format="hugging_face",
        config=config,
        variables=variables,
        vocabulary=_read_vocabulary(folder),
        task=task if has_head else None,
        labels=[labels[key] for key in sorted(labels, key=int)] if has_head else [],
        source_names=source_names,
        left_over={
            source_names[name]: shape
            for name, shape in left_over.items()
            if name not in _TIED
        },
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes a folder that `transformers` opens with the fitting `AutoModel...`.

    Returns:
        Names of variables that were newly initialised: none.
    """
    config = weights.config
    architecture = _architecture(weights)
    values: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": "bert",
        "hidden_act": _ACTIVATIONS_OUT[config.hidden_act],
        "position_embedding_type": "absolute",
        "dtype": "float32",
        **{key: getattr(config, key) for key in _SHARED_KEYS},
    }
    if weights.vocabulary is not None:
        values["pad_token_id"] = weights.vocabulary.pad_id
    if weights.task and weights.task != "multiple_choice":  # its one output is a score
        head = weights.variables[names.TASK_HEADS[weights.task][0]]
        labels = weights.labels or [f"LABEL_{i}" for i in range(len(head))]
        values["id2label"] = {str(i): label for i, label in enumerate(labels)}
        values["label2id"] = {label: i for i, label in enumerate(labels)}
    write_json(folder / _CONFIG, values)

    prefix = "" if architecture == "BertModel" else "bert."
    arrays = {}
    for name, array in weights.variables.items():
        ours = _hugging_face_name(name)
        if ours.startswith("bert."):
            ours = prefix + ours.removeprefix("bert.")
        arrays[ours] = _reshape(name, array)
    write_tensors(folder / WEIGHTS, arrays)

    if weights.vocabulary is not None:
        weights.vocabulary.save(folder)
        settings = read_json(folder / TOKENIZER_CONFIG_NAME)
        settings["model_max_length"] = config.max_position_embeddings
        write_json(folder / TOKENIZER_CONFIG_NAME, settings)
    return []


def _reshape(name: str, array: np.ndarray) -> np.ndarray:
    return array.T if name.endswith("/kernel") else array


def _config_from(values: dict[str, Any], path: Path) -> BertConfig:
    model_type = values.get("model_type", "bert")
    if model_type != "bert":
        raise InputError(
            f"{path}: `model_type` must be 'bert'. Received: {model_type!r}, another "
            "architecture, whose weights mean something else."
        )
    for key, expected in (
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("add_cross_attention", False),
        ("tie_word_embeddings", True),
    ):
        received = values.get(key, expected)
        if received != expected:
            raise InputError(
                f"{path}: `{key}` must be {expected!r}. Received: {received!r}"
            )
    act = values.get("hidden_act", "gelu")
    if act not in _ACTIVATIONS_IN:
        raise InputError(
            f"{path}: `hidden_act` must be one of {sorted(_ACTIVATIONS_IN)}. "
            f"Received: {act!r}"
        )
    known = {key: values[key] for key in _SHARED_KEYS if key in values}
    try:
        return BertConfig(hidden_act=_ACTIVATIONS_IN[act], **known).validate()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _check_tied(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name, tied_to in _TIED.items():
        if name not in arrays:
            continue
        if tied_to in arrays and not np.array_equal(arrays[name], arrays[tied_to]):
            raise InputError(
                f"{folder}: `{name}` must equal `{tied_to}`, as in every published "
                "BERT. Received: weights of its own, which this model has no place for."
            )


def _hugging_face_name(name: str) -> str:
    """Translates a google-research/bert name."""
    if name in _HEAD_NAMES_OUT:
        return _HEAD_NAMES_OUT[name]
    name = re.sub(r"/layer_(\d+)/", r"/layer/\1/", name).replace("/", ".")
    name = re.sub(r"_embeddings$", "_embeddings.weight", name)
    name = re.sub(r"\.(kernel|gamma)$", ".weight", name)
    return re.sub(r"\.beta$", ".bias", name)


def _google_name(name: str) -> str:
    """Translates a Hugging Face name; one that no BERT has stays recognisable."""
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


def _task(values: dict[str, Any], google_names: Mapping[str, str]) -> str | None:
    for architecture in values.get("architectures") or ():
        for task, known in _ARCHITECTURES.items():
            if architecture == known:
                return task
    if "cls/squad/output_weights" in google_names:
        return "question_answering"
    return "sequence_classification" if "output_weights" in google_names else None


def _architecture(weights: ModelWeights) -> str:
    if weights.task:
        return _ARCHITECTURES[weights.task]
    masked_lm = weights.has(names.masked_lm_head(weights.config))
    next_sentence = weights.has(names.next_sentence_head(weights.config))
    if masked_lm and next_sentence:
        return "BertForPreTraining"
    if masked_lm:
        return "BertForMaskedLM"
    return "BertForNextSentencePrediction" if next_sentence else "BertModel"


def _read_vocabulary(folder: Path) -> Vocabulary | None:
    vocabulary = read_beside(folder)
    path = folder / _TOKENIZER
    if vocabulary is not None or not path.is_file():
        return vocabulary
    tokenizer = read_json(path)
    model = tokenizer.get("model") or {}
    if model.get("type") != "WordPiece":
        raise InputError(
            f"{path}: `model.type` must be 'WordPiece'. Received: {model.get('type')!r}"
        )
    ids = model["vocab"]
    if sorted(ids.values()) != list(range(len(ids))):
        raise InputError(f"{path}: its ids are not 0 to {len(ids) - 1} without a gap.")
    if (folder / TOKENIZER_CONFIG_NAME).is_file():
        settings = TokenizerConfig.load(folder / TOKENIZER_CONFIG_NAME)
    else:
        normalizer = tokenizer.get("normalizer") or {}
        settings = TokenizerConfig(
            do_lower_case=normalizer.get("lowercase", True),
            strip_accents=normalizer.get("strip_accents"),
        )
    entries = sorted(ids, key=ids.__getitem__)
    return Vocabulary.from_entries(entries, settings, source=str(path))
