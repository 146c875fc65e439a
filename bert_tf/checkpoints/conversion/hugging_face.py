"""Hugging Face folders: `config.json` and `model.safetensors`, whole or in shards.

Source of the architectures: Hugging Face transformers, `modeling_bert.py`.
"""

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
from bert_tf.checkpoints.conversion.hugging_face_config import (
    HuggingFaceConfig,
    config_values,
    model_config,
)
from bert_tf.checkpoints.conversion.hugging_face_names import (
    check_tied,
    google_name,
    hugging_face_name,
    is_tied,
    reshape,
)
from bert_tf.checkpoints.conversion.model_weights import (
    HuggingFaceSettings,
    ModelWeights,
    RenamedArrays,
    collect,
)
from bert_tf.checkpoints.conversion.safetensors_folder import WEIGHTS, open_arrays
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields, read_json, write_json
from bert_tf.storage.safetensors_files import write_tensors

_CONFIG = "config.json"

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


def load(folder: Path) -> ModelWeights:
    """Reads a Hugging Face folder.

    Raises:
        InputError: another architecture, a pickle file instead of safetensors, a
            damaged file, or weights that don't fit the configuration.
    """
    path = folder / _CONFIG
    values = read_json(path)
    stated: HuggingFaceConfig = from_known_fields(HuggingFaceConfig, values, str(path))
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
            if not is_tied(name)
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


def _labels(
    stated: HuggingFaceConfig,
    variables: Mapping[str, Any],
    task: str | None,
    source: str,
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


def _task(stated: HuggingFaceConfig, google_names: Mapping[str, str]) -> str | None:
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
    stated: HuggingFaceConfig,
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
