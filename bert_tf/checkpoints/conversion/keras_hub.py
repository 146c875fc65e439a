"""KerasHub presets: a folder that `BertBackbone.from_preset` opens.

KerasHub's BERT always uses the tanh GELU and LayerNorm epsilon 1e-12 and has no
next-sentence head. What it cannot hold stands beside it in files of our own
(`side_files`), which KerasHub ignores.

Source: keras_hub 0.32, `models/bert/bert_backbone.py`, `models/bert/bert_masked_lm.py`,
`models/bert/bert_text_classifier.py`.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.checkpoints.conversion import heads, names, side_files
from bert_tf.checkpoints.conversion.model_weights import (
    ModelWeights,
    collect,
    initial_values,
    join_heads,
)
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import from_known_fields, read_json
from bert_tf.text.special_tokens import SUFFIX_INDICATOR, UNK
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

_HDF5_OVERHEAD = 2**20
_CLASSES = ("keras_hub>BertBackbone", "keras_nlp>BertBackbone")
_TASK_CLASSES = ("BertMaskedLM", "BertTextClassifier")
_TASK_WEIGHTS = "task.weights.h5"


def is_keras_hub(config: dict[str, Any]) -> bool:
    """Tells whether a `config.json` is a KerasHub preset's."""
    return "registered_name" in config and "class_name" in config


def load(folder: Path) -> ModelWeights:
    """Reads a preset: backbone, masked-LM or classification head, tokenizer.

    Raises:
        InputError: another architecture, or a damaged file.
    """
    import keras
    import keras_hub

    name = read_json(folder / "config.json")["registered_name"]
    if name not in _CLASSES:
        raise InputError(
            f"{folder / 'config.json'}: `registered_name` must be {_CLASSES[0]!r}. "
            f"Received: {name!r:.60}, another architecture."
        )
    notes: list[str] = []
    task_class = _task_class(folder, notes)
    # Otherwise an unnoticed Keras setting would round the weights.
    policy, precision = keras.config.dtype_policy(), "float32"
    keras.config.set_dtype_policy(precision)
    try:
        if task_class is None:
            model = backbone = keras_hub.models.BertBackbone.from_preset(str(folder))
        else:
            model = getattr(keras_hub.models, task_class).from_preset(
                str(folder), preprocessor=None
            )
            backbone = model.backbone
    except Exception as error:  # KerasHub checks little, and fails where it happens to.
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{folder}: not a whole KerasHub preset ({reason:.200})."
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)

    side = side_files.read(folder)
    try:
        config = _config_from(backbone, side.config).validate()
    except InputError as error:
        raise InputError(f"{folder / 'config.json'}: {error}") from error
    found = _backbone_variables(backbone)
    task = side.task.name if side.task else None
    classifier_dropout = None
    if task_class == "BertMaskedLM":
        found |= _masked_lm_variables(model)
    elif task_class == "BertTextClassifier":
        found |= _classifier_variables(model)
        task = "classification"
        classifier_dropout = model.dropout
        if keras.activations.serialize(model.activation) != "linear":
            notes.append(
                "The preset's classifier ends in an activation, "
                f"{keras.activations.serialize(model.activation)!r:.60}. What is "
                "written gives its inputs, the logits."
            )
    arrays = {
        name: _from_keras(name, variable.numpy())
        for name, variable in found.items()
        if name not in side.newly_initialised
    }
    variables, left_over = collect(str(folder), config, arrays | side.variables, task)
    for name in set(left_over) & set(side.variables):
        variables[name] = side.variables[name]
        del left_over[name]
    if task_class is None and (folder / _TASK_WEIGHTS).is_file():
        left_over[_TASK_WEIGHTS] = ()
    description = heads.describe(task, variables, stated=side.task)
    if classifier_dropout is not None:
        description = description.with_settings(classifier_dropout=classifier_dropout)
    return ModelWeights(
        format="keras_hub",
        config=config,
        variables=variables,
        vocabulary=side.vocabulary or _read_vocabulary(folder),
        task=description,
        hugging_face=side.hugging_face,
        source_names={name: variable.path for name, variable in found.items()},
        left_over=left_over,
        notes=notes,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes a preset, of a `BertMaskedLM` where there is a masked-LM head.

    Returns:
        Names of variables that were newly initialized: the backbone cannot be without
        a pooler.
    """
    import keras_hub

    config = weights.config
    if (config.hidden_act, config.layer_norm_eps) != ("gelu", 1e-12):
        weights.notes.append(
            "KerasHub's BERT computes hidden_act gelu and layer_norm_eps 1e-12, "
            f"whatever the weights were trained with, here {config.hidden_act} and "
            f"{config.layer_norm_eps}: its outputs will differ a little."
        )
    backbone = make_backbone(config, dtype="float32")
    model = backbone
    targets = _backbone_variables(backbone)
    if weights.has(names.masked_lm_head(config)):
        weights.notes.append(
            "KerasHub's masked-LM head has layer_norm_eps 1e-5 and the exact GELU, "
            "whatever the weights were trained with: its outputs will differ a little."
        )
        model = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
        targets |= _masked_lm_variables(model)
    lacking = {
        name: shape
        for name, shape in names.pooler(config).items()
        if name not in weights.variables
    }
    variables = weights.variables | initial_values(lacking, config, seed=0)
    for name, target in targets.items():
        target.assign(variables[name].reshape(target.shape))
    # HDF5 ends the process where it cannot write.
    num_bytes = sum(variables[name].nbytes for name in targets)
    files.check_room(folder, num_bytes + _HDF5_OVERHEAD)
    model.save_to_preset(str(folder))
    if weights.vocabulary is not None:
        tokenizer = keras_hub.models.BertTokenizer(
            vocabulary=list(weights.vocabulary.entries),
            lowercase=weights.vocabulary.config.do_lower_case,
            strip_accents=weights.vocabulary.config.strips_accents,
        )
        tokenizer.save_to_preset(str(folder))
    side_files.write(
        folder,
        weights,
        newly_initialised=list(lacking),
        homeless={
            name: array
            for name, array in weights.variables.items()
            if name not in targets
        },
    )
    return list(lacking)


def make_backbone(config: BertConfig, **kwargs: Any) -> Any:
    """Returns a new `BertBackbone` of a configuration's shape.

    Args:
        config: the shape.
        **kwargs: for instance `dtype`.
    """
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        dropout=config.hidden_dropout_prob,
        max_sequence_length=config.max_position_embeddings,
        num_segments=config.type_vocab_size,
        **kwargs,
    )


def _task_class(folder: Path, notes: list[str]) -> str | None:
    """Returns the class of the preset's head; None where the backbone is all."""
    path = folder / "task.json"
    if not path.is_file():
        return None
    name = read_json(path).get("class_name")
    if name not in _TASK_CLASSES:
        notes.append(f"task.json describes a {name!r:.60}: only its backbone is read.")
        return None
    if not (folder / _TASK_WEIGHTS).is_file():
        # KerasHub would go on with a head of random weights.
        notes.append(
            f"task.json describes a {name}, but there is no {_TASK_WEIGHTS}: only the "
            "backbone is read."
        )
        return None
    return name


def _config_from(backbone: Any, beside: BertConfig | None) -> BertConfig:
    config = beside or BertConfig()
    config.vocab_size = backbone.vocabulary_size
    config.hidden_size = backbone.hidden_dim
    config.num_hidden_layers = backbone.num_layers
    config.num_attention_heads = backbone.num_heads
    config.intermediate_size = backbone.intermediate_dim
    config.max_position_embeddings = backbone.max_sequence_length
    config.type_vocab_size = backbone.num_segments
    if beside is None:
        config.hidden_dropout_prob = backbone.dropout
        config.attention_probs_dropout_prob = backbone.dropout
    return config


def _backbone_variables(backbone: Any) -> dict[str, Any]:
    variables = {
        names.WORD_EMBEDDINGS: backbone.token_embedding.embeddings,
        names.POSITION_EMBEDDINGS: backbone.position_embedding.position_embeddings,
        "bert/embeddings/token_type_embeddings": backbone.segment_embedding.embeddings,
        **_layer_norm("bert/embeddings/LayerNorm", backbone.embeddings_layer_norm),
        **_dense("bert/pooler/dense", backbone.pooled_dense),
    }
    for index, block in enumerate(backbone.transformer_layers):
        root = f"bert/encoder/layer_{index}"
        attention = block._self_attention_layer
        variables |= {
            **_dense(f"{root}/attention/self/query", attention.query_dense),
            **_dense(f"{root}/attention/self/key", attention.key_dense),
            **_dense(f"{root}/attention/self/value", attention.value_dense),
            **_dense(f"{root}/attention/output/dense", attention.output_dense),
            **_layer_norm(
                f"{root}/attention/output/LayerNorm", block._self_attention_layer_norm
            ),
            **_dense(
                f"{root}/intermediate/dense", block._feedforward_intermediate_dense
            ),
            **_dense(f"{root}/output/dense", block._feedforward_output_dense),
            **_layer_norm(f"{root}/output/LayerNorm", block._feedforward_layer_norm),
        }
    return variables


def _masked_lm_variables(model: Any) -> dict[str, Any]:
    head = model.masked_lm_head
    return {
        **_dense("cls/predictions/transform/dense", head._intermediate_dense),
        **_layer_norm(
            "cls/predictions/transform/LayerNorm", head._intermediate_layer_norm
        ),
        names.MASKED_LM_BIAS: head._bias,
    }


def _classifier_variables(model: Any) -> dict[str, Any]:
    return {
        "output_weights": model.output_dense.kernel,
        "output_bias": model.output_dense.bias,
    }


def _dense(name: str, layer: Any) -> dict[str, Any]:
    return {f"{name}/kernel": layer.kernel, f"{name}/bias": layer.bias}


def _layer_norm(name: str, layer: Any) -> dict[str, Any]:
    return {f"{name}/gamma": layer.gamma, f"{name}/beta": layer.beta}


def _from_keras(name: str, array: np.ndarray) -> np.ndarray:
    return array.T if name == "output_weights" else join_heads(name, array)


@dataclasses.dataclass
class _Tokenizer:
    """What a preset's `tokenizer.json` says, with KerasHub's defaults."""

    lowercase: bool = False
    strip_accents: bool = False
    split: bool = True
    split_on_cjk: bool = True
    suffix_indicator: str = SUFFIX_INDICATOR
    oov_token: str = UNK


def _read_vocabulary(folder: Path) -> Vocabulary | None:
    path = folder / "assets" / "tokenizer" / "vocabulary.txt"
    if not path.is_file():
        return None
    source = str(folder / "tokenizer.json")
    values = read_json(folder / "tokenizer.json").get("config")
    stated: _Tokenizer = from_known_fields(_Tokenizer, values, f"{source}: config")
    for field in dataclasses.fields(_Tokenizer):
        value = getattr(stated, field.name)
        if field.name not in ("lowercase", "strip_accents") and value != field.default:
            raise InputError(
                f"{source}: config: {field.name} must be {field.default!r}, as in "
                f"BERT's tokenizer. Received: {value!r:.60}"
            )
    settings = TokenizerConfig(stated.lowercase, stated.strip_accents)
    return Vocabulary.load_file(path, settings)
