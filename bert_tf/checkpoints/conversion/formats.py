"""The formats that weights come in: recognized from the files, read, written."""

import os
from collections.abc import Callable
from pathlib import Path

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import (
    hugging_face,
    hugging_face_encoder_decoder,
    keras_hub,
    model_garden,
    native,
    tf1,
    tf_checkpoint,
)
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.conversion.safetensors_folder import PICKLES, pickle_refusal
from bert_tf.checkpoints.model_folder import MANIFEST
from bert_tf.checkpoints.workdir import CHECKPOINTS
from bert_tf.errors import InputError
from bert_tf.storage.files import atomic_path
from bert_tf.storage.json_files import read_json


def _save_hugging_face(weights: ModelWeights, folder: Path) -> list[str]:
    if weights.task.name == decoder_description.TASK:
        return hugging_face_encoder_decoder.save(weights, folder)
    return hugging_face.save(weights, folder)


WRITERS: dict[str, Callable[[ModelWeights, Path], list[str]]] = {
    "native": native.save,
    "hugging_face": _save_hugging_face,
    "tf1": tf1.save,
    "model_garden": model_garden.save,
    "keras_hub": keras_hub.save,
}
"""Each writes into an existing folder and returns what it had to initialize anew."""


def load_any(path: str | os.PathLike[str]) -> ModelWeights:
    """Reads a BERT of any of these formats, recognized from its files.

    Args:
        path: a model folder or training workdir of ours; a Hugging Face folder; a TF1
            or Model Garden checkpoint, its folder or its prefix; a SavedModel with TF1
            names; a KerasHub preset.

    Raises:
        InputError: nothing of the kind there, another architecture, a damaged file, or
            a pickle, which is never opened.
    """
    weights = _load(Path(path))
    num_entries = len(weights.vocabulary or ())
    if num_entries > weights.config.vocab_size:
        raise InputError(
            f"{path}: its vocabulary has {num_entries} entries, its embeddings only "
            f"{weights.config.vocab_size} rows. They belong to different models."
        )
    return weights


def save(
    weights: ModelWeights,
    path: str | os.PathLike[str],
    format: str,
    *,
    strict: bool = False,
) -> list[str]:
    """Writes a new folder, which appears whole or not at all.

    Args:
        weights: what to write.
        path: the folder, which must not exist.
        format: a key of `WRITERS`.
        strict: refuse where a weight is left over or newly initialized, or a token
            loses its special treatment.

    Returns:
        Names of variables that the format needs, `weights` lacks, and which were
        therefore newly initialized.

    Raises:
        InputError: no such format, `path` exists, `weights` come without the vocabulary
            that it needs, or there is a gap and `strict` is True.
    """
    path = Path(path)
    if format not in WRITERS:
        raise InputError(f"No format {format!r}. Known: {', '.join(WRITERS)}")
    if path.exists() and any(path.iterdir()):
        raise InputError(f"{path} already exists. Delete it or name another.")
    if format != "native":
        _check_released_shape(weights, format)
    with atomic_path(path) as folder:
        folder.mkdir()
        new = WRITERS[format](weights, folder)
        gaps = [f"new: {name}" for name in new]
        gaps += [f"left over: {name}" for name in weights.left_over]
        added = [repr(token.content) for token in weights.hugging_face.added_tokens]
        if format != "hugging_face" and added:
            gaps += [f"added token: {token}" for token in added]
            weights.notes.append(
                f"Hugging Face finds the added tokens {', '.join(added[:5])}"
                f"{', ...' if len(added) > 5 else ''} in a text before it is split. "
                "Here they are entries of the vocabulary like others."
            )
        if format != "native" and weights.ranges:
            gaps.append("left over: the ranges of int8 training")
            weights.notes.append(
                f"The ranges of {len(weights.ranges)} products that the model was "
                "trained for int8 with are left out: only model folders keep them."
            )
        if strict and gaps:
            raise InputError(
                f"{path} is not written: strict conversion allows no gap, and there "
                f"are {len(gaps)}: {', '.join(gaps)}."
            )
        return new


def _check_released_shape(weights: ModelWeights, format: str) -> None:
    """Raises an InputError over a model of another shape than any released BERT."""
    stays = "It stays in a model folder: --to_format=native."
    if weights.task.settings.get("norm_first"):
        raise InputError(
            f"The format {format} has no place for a model whose LayerNorms come "
            f"first, as GPT-2's do. {stays}"
        )
    decoder = decoder_description.config_of(weights.task.settings)
    for config in (weights.config, decoder or weights.config):
        if config.num_attention_heads_by_layer:
            raise InputError(
                f"The format {format} makes a layer's heads as wide together as its "
                f"hidden states, {config.hidden_size}. This model lost heads: its "
                f"layers have {[*config.num_attention_heads_by_layer]} of "
                f"{config.head_size} each. {stays}"
            )
        if config.intermediate_size_by_layer:
            raise InputError(
                f"The format {format} has one intermediate_size for all layers. This "
                f"model's are {[*config.intermediate_size_by_layer]}: it lost neurons, "
                f"which python -m bert_tf.prune_model --uniform takes from all layers "
                f"alike. {stays}"
            )


def _load(path: Path) -> ModelWeights:
    if (path / MANIFEST).is_file() or (path / CHECKPOINTS).is_dir():
        return native.load(path)
    if (path / "config.json").is_file():
        config = read_json(path / "config.json")
        if keras_hub.is_keras_hub(config):
            return keras_hub.load(path)
        if {"optimizer", "data"} <= config.keys():
            raise InputError(
                f"{path}: a training workdir that has no checkpoint yet. Let its run "
                "come to its first one: the command that began it goes on with it."
            )
        if hugging_face_encoder_decoder.is_encoder_decoder(config):
            return hugging_face_encoder_decoder.load(path)
        return hugging_face.load(path)
    if _has_tf_checkpoint(path):
        return _load_tf_checkpoint(path)
    raise InputError(_explain_unknown(path))


def _has_tf_checkpoint(path: Path) -> bool:
    return (
        Path(f"{path}.index").is_file()
        or path.suffix == ".index"
        or (path / "saved_model.pb").is_file()
        or any(path.glob("*.index"))
    )


def _load_tf_checkpoint(path: Path) -> ModelWeights:
    prefix = tf_checkpoint.find_prefix(path)
    arrays = tf_checkpoint.CheckpointArrays(prefix)
    folder = path if path.is_dir() else prefix.parent
    if model_garden.is_model_garden(arrays):
        return model_garden.load(folder, arrays)
    names = list(arrays.keys_by_variable_name())
    if tf1.scope(names) is not None:
        return tf1.load(folder, arrays)
    raise InputError(
        f"{prefix}: a TensorFlow checkpoint, but of no BERT that is known here: it has "
        "neither google-research/bert's variable names nor Model Garden's encoder. "
        f"Its variables begin with {names[:3]}."
    )


def _explain_unknown(path: Path) -> str:
    if not path.exists():
        return f"{path}: no such file or folder."
    files = [path] if path.is_file() else sorted(path.iterdir())
    for file in files:
        if file.suffix in PICKLES:
            return pickle_refusal(file)
    return (
        f"{path}: no BERT recognized. Looked for {MANIFEST!r} (ours), "
        "'config.json' (Hugging Face, KerasHub), '*.index' and 'saved_model.pb' "
        f"(TensorFlow). Received: {[file.name for file in files[:8]]}"
    )
