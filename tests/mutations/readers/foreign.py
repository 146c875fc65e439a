"""Models in other projects' formats, and those that we export."""

import dataclasses
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion import ModelWeights
from bert_tf.checkpoints.conversion.formats import load_any, save
from bert_tf.checkpoints.model_folder import load_model_folder
from readers.model_folders import CONFIG, CONFIG_NAME, weights, write_checkpoint
from readers.reader import Parts, Reader
from readers.vocabulary import VOCABULARY

P = 2

# Files without checksums, which alone say what they say.
FREE_PARTS = {
    CONFIG_NAME: ("config", "task", "hugging_face"),
    r"(^|/)vocab(ulary)?\.txt$": ("vocabulary",),
    r"(^|/)tokenizer(_config)?\.json$": ("tokenizer", "hugging_face"),
    r"(^|/)special_tokens_map\.json$": ("tokenizer",),
}


def write_model(format: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config = dataclasses.replace(CONFIG)
        save(ModelWeights(format, config, weights(), VOCABULARY), folder, format)

    return write


def write_saved_model(folder: Path) -> None:
    """One whose variables have google-research/bert's names."""
    import tensorflow as tf

    module = tf.Module()
    module.model_variables = [
        tf.Variable(array, name=name) for name, array in weights().items()
    ]
    tf.saved_model.save(module, str(folder))
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "bert_config.json").write_text(json.dumps(dataclasses.asdict(CONFIG)))
    VOCABULARY.save(extra)


def read_model(folder: Path) -> Parts:
    """Reads as `bert_tf.convert_checkpoint` does."""
    found = load_any(folder)
    return {
        "arrays": found.variables,
        "config": dataclasses.asdict(found.config),
        "vocabulary": found.vocabulary and found.vocabulary.entries,
        "tokenizer": found.vocabulary and found.vocabulary.config,
        "format": found.format,
        "task": found.task,
        "hugging_face": found.hugging_face,
        "left over": found.left_over,
        "notes": found.notes,
    }


def write_tflite(folder: Path) -> None:
    from export.checkpoint import pretrained
    from export.tflite import converter

    with tempfile.TemporaryDirectory() as checkpoint:
        write_checkpoint(Path(checkpoint))
        trained = pretrained.load(
            load_model_folder(checkpoint), max_predictions_per_seq=P
        )
        (folder / "a.tflite").write_bytes(converter.convert(trained, "none"))


def read_tflite(folder: Path) -> Parts:
    from export.check.litert import TFLiteBackend

    s = CONFIG.max_position_embeddings
    backend = TFLiteBackend(folder / "a.tflite", num_threads=1)
    outputs = backend.predict(
        {
            "input_ids": np.full([1, s], 6, np.int32),
            "input_mask": np.ones([1, s], np.int32),
            "segment_ids": np.zeros([1, s], np.int32),
            "masked_lm_positions": np.ones([1, P], np.int32),
        }
    )
    return {"outputs": {name: value.tolist() for name, value in outputs.items()}}


READERS = [
    *(
        Reader(
            name,
            write_model(name),
            read_model,
            free_parts=FREE_PARTS,
            num_cases=num_cases,
        )
        for name, num_cases in (
            ("hugging_face", 80),
            ("tf1", 60),
            ("model_garden", 60),
            ("keras_hub", 40),  # Whose model Keras builds in each case.
        )
    ),
    Reader(
        "saved_model",
        write_saved_model,
        read_model,
        free_parts=FREE_PARTS,
        num_cases=50,
    ),
    # Without checksums; `verify_export` compares its outputs with the checkpoint's.
    Reader(
        "tflite",
        write_tflite,
        read_tflite,
        free_parts={".": ("outputs",)},
        num_cases=60,
    ),
]
