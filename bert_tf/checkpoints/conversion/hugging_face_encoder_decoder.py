"""Hugging Face's `EncoderDecoderModel` of a `BertModel` and a `BertLMHeadModel`.

The encoder's tokenizer stands in the folder. Hugging Face has no place for a second
one; the decoder's, if it is another, is in the folder's `decoder_tokenizer/`.

Source of names and configuration keys: Hugging Face transformers,
`modeling_encoder_decoder.py` and `configuration_encoder_decoder.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import hugging_face_tokenizer, names, side_files
from bert_tf.checkpoints.conversion.hugging_face_config import (
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
    as_float32,
    collect,
)
from bert_tf.checkpoints.conversion.safetensors_folder import WEIGHTS, open_arrays
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.storage.safetensors_files import write_tensors

_CONFIG = "config.json"
_GENERATION_CONFIG = "generation_config.json"
_DECODER_TOKENIZER = "decoder_tokenizer"
_PROJECTION = "enc_to_dec_proj"


def is_encoder_decoder(config: Mapping[str, Any]) -> bool:
    """Returns whether a `config.json` describes such a model."""
    return config.get("model_type") == "encoder-decoder"


def load(folder: Path) -> ModelWeights:
    """Reads a folder of such a model.

    Raises:
        InputError: another architecture, a pickle file instead of safetensors, a
            damaged file, or weights that don't fit the configuration.
    """
    path = folder / _CONFIG
    values = read_json(path)
    parts = {}
    for part, decoder in (("encoder", False), ("decoder", True)):
        source = f"{path}: {part}"
        if not isinstance(values.get(part), dict):
            raise InputError(f"{source}: must be an object, the {part}'s configuration")
        parts[part] = model_config(
            values[part], source, is_decoder=decoder, add_cross_attention=decoder
        )
    config, decoder_config = parts["encoder"], parts["decoder"]
    arrays = open_arrays(folder)
    source_names = {_name_in(name): name for name in arrays}
    tied = values.get("tie_encoder_decoder") is True
    if tied:
        # Earlier versions keep what both have in common once.
        for name in names.encoder(decoder_config):
            if name in source_names:
                source_names.setdefault(f"decoder/{name}", source_names[name])
    renamed = RenamedArrays(arrays, source_names, reshape)
    variables, left_over = collect(str(folder), config, renamed, None)
    check_tied(folder, renamed, "decoder/")
    wanted = names.decoder(decoder_config)
    if config.hidden_size != decoder_config.hidden_size:
        widths = config.hidden_size, decoder_config.hidden_size
        wanted |= {f"{_PROJECTION}/kernel": widths, f"{_PROJECTION}/bias": widths[1:]}
    for name, shape in wanted.items():
        if name not in renamed:
            raise InputError(
                f"{folder}: lacks `{name}`. It is damaged, or its configuration is "
                "another model's."
            )
        variables[name] = as_float32(str(folder), name, renamed[name], shape)
    side = side_files.read_heads(folder)
    tokenizer = hugging_face_tokenizer.read(folder)
    task = _describe(side.task, config, decoder_config, folder, tied)
    if task.settings["shared"] != "nothing":
        copies = {name: f"decoder/{name}" for name in _copies(task, config)}
        if all(np.array_equal(variables[n], variables[c]) for n, c in copies.items()):
            for copy in copies.values():
                del variables[copy]
        else:  # Another program has trained them apart since.
            task = task.with_settings(shared="nothing")
    notes = []
    entries = len(tokenizer.vocabulary or ())
    written = task.settings["decoder_vocabulary"]
    if written is None and entries > decoder_config.vocab_size:
        notes.append(
            f"The vocabulary has {entries} entries, the decoder only "
            f"{decoder_config.vocab_size} rows: put the files of the decoder's own "
            f"tokenizer into `{_DECODER_TOKENIZER}/` to write with it."
        )
    return ModelWeights(
        format="hugging_face",
        config=config,
        variables=variables,
        vocabulary=tokenizer.vocabulary,
        task=task,
        hugging_face=HuggingFaceSettings(
            model_max_length=tokenizer.model_max_length,
            added_tokens=tokenizer.added_tokens,
        ),
        source_names={name: source_names[name] for name in variables},
        left_over={
            source_names[name]: shape
            for name, shape in left_over.items()
            if name not in wanted and not is_tied(name, "decoder/")
        },
        notes=notes,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes a folder that `transformers.EncoderDecoderModel` opens.

    What encoder and decoder share is written twice: the model computes the same.

    Returns:
        Names of variables that were newly initialized: none.
    """
    settings = weights.task.settings
    decoder_config = decoder_description.config_of(settings) or weights.config
    written = decoder_description.vocabulary_of(settings) or weights.vocabulary
    tokens: dict[str, Any] = {}
    if written is not None:
        tokens = {
            "decoder_start_token_id": written.cls_id,
            "eos_token_id": written.sep_id,
            "pad_token_id": written.pad_id,
        }
    encoder_values = config_values(weights.config, weights.vocabulary)
    decoder_values = config_values(decoder_config, written)
    write_json(
        folder / _CONFIG,
        {
            "architectures": ["EncoderDecoderModel"],
            "model_type": "encoder-decoder",
            "is_encoder_decoder": True,
            "dtype": "float32",
            "encoder": encoder_values,
            "decoder": {
                **decoder_values,
                "is_decoder": True,
                "add_cross_attention": True,
            },
            **tokens,
        },
    )
    if tokens:
        write_json(folder / _GENERATION_CONFIG, tokens)
    variables = dict(weights.variables)
    if settings.get("shared", "nothing") != "nothing":
        for name in _copies(weights.task, weights.config):
            variables[f"decoder/{name}"] = variables[name]
    write_tensors(
        folder / WEIGHTS,
        {_name_out(name): reshape(name, array) for name, array in variables.items()},
    )
    side_files.write_heads(folder, weights)
    hugging_face_tokenizer.write(weights, folder)
    if written is not None and written is not weights.vocabulary:
        (folder / _DECODER_TOKENIZER).mkdir()
        written.save(folder / _DECODER_TOKENIZER)
    return []


def _copies(task: TaskDescription, config: BertConfig) -> list[str]:
    """Returns what encoder and decoder have in common, by the encoder's names."""
    if task.settings["shared"] == "all":
        return list(names.encoder(config))
    return [names.WORD_EMBEDDINGS]


def _name_in(name: str) -> str:
    """Translates a Hugging Face name."""
    side, _, rest = name.partition(".")
    if side == "encoder":
        return google_name(rest)
    if side == "decoder":
        return f"decoder/{google_name(rest)}"
    return name.replace(".weight", "/kernel").replace(".bias", "/bias")


def _name_out(name: str) -> str:
    """Undoes `_name_in`."""
    if name.startswith("decoder/"):
        name = hugging_face_name(name.removeprefix("decoder/"))
        return f"decoder.{name}"
    if name.startswith("bert/"):
        return "encoder." + hugging_face_name(name).removeprefix("bert.")
    return hugging_face_name(name)


def _describe(
    stated: TaskDescription | None,
    config: BertConfig,
    decoder_config: BertConfig,
    folder: Path,
    tied: bool,
) -> TaskDescription:
    """Describes the task, by what we wrote beside the weights as far as it fits."""
    if stated is None or stated.name != decoder_description.TASK:
        stated = TaskDescription(decoder_description.TASK)
    shared = stated.settings.get("shared") or ("all" if tied else "nothing")
    vocabulary = stated.settings.get("decoder_vocabulary")
    if vocabulary is None and (folder / _DECODER_TOKENIZER).is_dir():
        found = hugging_face_tokenizer.read(folder / _DECODER_TOKENIZER).vocabulary
        vocabulary = found and decoder_description.describe_vocabulary(found)
    same = config == decoder_config
    return stated.with_settings(
        shared=shared,
        decoder_config=None if same else decoder_config.to_dict(),
        decoder_vocabulary=vocabulary,
    )
