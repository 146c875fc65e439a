"""Hugging Face folders: `config.json` and `model.safetensors`, whole or in shards.

Source of names and configuration keys: Hugging Face transformers, `modeling_bert.py`
and `configuration_bert.py`.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.checkpoints.conversion import (
    heads,
    hugging_face_tokenizer,
    names,
    side_files,
)
from bert_tf.checkpoints.conversion.model_weights import (
    HuggingFaceSettings,
    ModelWeights,
    RenamedArrays,
    collect,
)
from bert_tf.checkpoints.conversion.safetensors_folder import WEIGHTS, open_arrays
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BY_LAYER, BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields, read_json, write_json
from bert_tf.storage.safetensors_files import write_tensors
from bert_tf.text.tokenizer_config import check_tokenizer_class
from bert_tf.text.vocabulary import Vocabulary

_CONFIG = "config.json"

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

_SEQUENCE_CLASSIFICATION = "BertForSequenceClassification"
_CAUSAL_LM = "causal_lm"
_ARCHITECTURES = {
    "classification": _SEQUENCE_CLASSIFICATION,
    "multi_label": _SEQUENCE_CLASSIFICATION,
    "regression": _SEQUENCE_CLASSIFICATION,
    "token_classification": "BertForTokenClassification",
    "multiple_choice": "BertForMultipleChoice",
    "question_answering": "BertForQuestionAnswering",
}
_PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
_SHARED_KEYS = [
    f.name
    for f in dataclasses.fields(BertConfig)
    if f.name not in ("hidden_act", *BY_LAYER)
]
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


@dataclasses.dataclass
class _Config:
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


# What no BERT of `models/` does otherwise.
_FIXED: dict[str, Any] = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "tie_word_embeddings": True,
}


def load(folder: Path) -> ModelWeights:
    """Reads a Hugging Face folder.

    Raises:
        InputError: another architecture, a pickle file instead of safetensors, a
            damaged file, or weights that don't fit the configuration.
    """
    path = folder / _CONFIG
    values = read_json(path)
    stated: _Config = from_known_fields(_Config, values, str(path))
    config = model_config(
        values, str(path), is_decoder=bool(stated.is_decoder), add_cross_attention=False
    )
    arrays = open_arrays(folder)
    source_names = {google_name(name): name for name in arrays}
    task = _task(stated, source_names)

    renamed = RenamedArrays(arrays, source_names, reshape)
    side = side_files.read_heads(folder)
    stated_name = side.task.name if side.task else None
    variables, left_over = collect(str(folder), config, renamed, task or stated_name)
    check_tied(folder, renamed)
    variables |= side.variables
    tokenizer = hugging_face_tokenizer.read(folder)
    described = _describe(stated, str(path), task, variables, side.task)
    if stated.is_decoder and described.name != _CAUSAL_LM:
        described = TaskDescription(_CAUSAL_LM)
    return ModelWeights(
        format="hugging_face",
        config=config,
        variables=variables,
        vocabulary=tokenizer.vocabulary,
        task=described,
        hugging_face=HuggingFaceSettings(
            model_max_length=tokenizer.model_max_length,
            added_tokens=tokenizer.added_tokens,
        ),
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
        Names of variables that were newly initialized: none.
    """
    architecture = _architecture(weights)
    values: dict[str, Any] = {
        "architectures": [architecture],
        **config_values(weights.config, weights.vocabulary),
        "dtype": "float32",
        **_task_values(weights),
    }
    write_json(folder / _CONFIG, values)

    prefix = "" if architecture == "BertModel" else "bert."
    homeless = weights.homeless
    if weights.task.name not in (*_ARCHITECTURES, "pretraining"):
        head = set(names.head(weights.task.name)) & set(weights.variables)
        homeless |= {name: weights.variables[name] for name in sorted(head)}
    arrays = {}
    for name, array in weights.variables.items():
        if name in homeless:
            continue
        ours = hugging_face_name(name)
        if ours.startswith("bert."):
            ours = prefix + ours.removeprefix("bert.")
        arrays[ours] = reshape(name, array)
    write_tensors(folder / WEIGHTS, arrays)
    side_files.write_heads(folder, weights, homeless=homeless)

    hugging_face_tokenizer.write(weights, folder)
    return []


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


def reshape(name: str, array: np.ndarray) -> np.ndarray:
    """Turns an array of either into the other's shape, by google-research's name."""
    return array.T if name.endswith("/kernel") else array


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
    stated: _Config = from_known_fields(_Config, values, source)
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


def _labels(
    stated: _Config, variables: Mapping[str, Any], task: str | None, source: str
) -> list[str]:
    labels = stated.id2label
    if not labels or task is None or task == "multiple_choice":
        return []
    num_labels = len(variables[names.head(task)[0]])
    if set(labels) != {str(index) for index in range(num_labels)}:
        raise InputError(
            f"{source}: `id2label` must name the head's outputs, 0 to "
            f"{num_labels - 1}. Received: {labels!r:.60}"
        )
    return [str(labels[str(index)]) for index in range(num_labels)]


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


def _task(stated: _Config, google_names: Mapping[str, str]) -> str | None:
    """Returns whose head a folder holds, None where it holds none."""
    found = heads.task_of_names(google_names)
    if found != "classification":
        return found
    for architecture in stated.architectures or ():
        for task, known in _ARCHITECTURES.items():
            if architecture == known != _SEQUENCE_CLASSIFICATION:
                return task
    for task, problem_type in _PROBLEM_TYPES.items():
        if stated.problem_type == problem_type:
            return task
    return found


def _describe(
    stated: _Config,
    source: str,
    task: str | None,
    variables: Mapping[str, np.ndarray],
    beside: TaskDescription | None,
) -> TaskDescription:
    """Describes the task; a side file is believed in what `config.json` cannot say."""
    described = heads.describe(
        task,
        variables,
        _labels(stated, variables, task, source),
        beside,
        certain=stated.problem_type is not None,
    )
    if stated.classifier_dropout is not None and described.name in _ARCHITECTURES:
        return described.with_settings(classifier_dropout=stated.classifier_dropout)
    return described


def _task_values(weights: ModelWeights) -> dict[str, Any]:
    """Returns the keys of `config.json` that say what a model was trained for."""
    task = weights.task
    if task.name == _CAUSAL_LM:
        return {"is_decoder": True}
    if task.name not in _ARCHITECTURES:
        return {}
    values: dict[str, Any] = {}
    if task.name in _PROBLEM_TYPES:
        values["problem_type"] = _PROBLEM_TYPES[task.name]
    if task.name != "multiple_choice":  # Its one output is a score.
        # The number of outputs follows from their names.
        num_outputs = len(weights.variables[names.head(task.name)[0]])
        labels = task.labels or [heads.label(index) for index in range(num_outputs)]
        values["id2label"] = {str(i): label for i, label in enumerate(labels)}
        values["label2id"] = {label: i for i, label in enumerate(labels)}
    if task.settings.get("classifier_dropout") is not None:
        values["classifier_dropout"] = task.settings["classifier_dropout"]
    return values


def _architecture(weights: ModelWeights) -> str:
    if weights.task.name in _ARCHITECTURES:
        return _ARCHITECTURES[weights.task.name]
    if weights.task.name == _CAUSAL_LM:
        return "BertLMHeadModel"
    masked_lm = weights.has(names.masked_lm_head(weights.config))
    next_sentence = weights.has(names.next_sentence_head(weights.config))
    if masked_lm and next_sentence:
        return "BertForPreTraining"
    if masked_lm:
        return "BertForMaskedLM"
    return "BertForNextSentencePrediction" if next_sentence else "BertModel"
