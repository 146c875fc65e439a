"""Our own model folders, as training writes them."""

import contextlib
import dataclasses
import hashlib
import json
import random
from pathlib import Path

import numpy as np
from mutators import Mutation, damage_folder

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.model_folder import (
    TRAINING_STATE,
    load_model_folder,
    save_model_folder,
)
from bert_tf.config import BertConfig
from bert_tf.storage.json_files import from_dict
from readers.reader import Parts, Reader
from readers.vocabulary import VOCABULARY

CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=10,
    hidden_dropout_prob=0.2,
)
CONFIG_NAME = r"(^|/)(bert_|hugging_face_)?config\.json$"

# A manifest has no checksum of its own.
FREE_PARTS = {r"^checkpoint\.json$": ("step", "metadata", "task")}


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        name: rng.standard_normal(shape, np.float32)
        for name, shape in names.pretrainer(CONFIG).items()
    }


def write_checkpoint(folder: Path) -> None:
    variables = weights()
    save_model_folder(
        folder,
        overwrite=True,
        config=CONFIG,
        variables=variables,
        vocabulary=VOCABULARY,
        step=3,
        metadata={"best_value": 2.5},
        optimizer={f"{name}/adam_m": value for name, value in variables.items()},
        training_state={"step": 3, "window": {"loss": 1.5}, "loss_scale": [8.0, 1.0]},
    )


def read_checkpoint(folder: Path) -> Parts:
    from bert_tf.training.state import TrainingState

    opened = load_model_folder(folder)
    assert opened.optimizer is not None
    path = str(folder / TRAINING_STATE)
    return {
        "arrays": {**opened.variables, **opened.optimizer},
        "config": dataclasses.asdict(opened.config),
        "vocabulary": opened.vocabulary.entries,
        "tokenizer": opened.vocabulary.config,
        "step": opened.step,
        "task": opened.task,
        "metadata": opened.metadata,
        "state": from_dict(TrainingState, opened.training_state, path),
    }


def damage_and_renew_checksums(folder: Path, rng: random.Random) -> Mutation:
    """Damages a file as somebody does who edits it and then mends the manifest."""
    mutation = damage_folder(folder, rng)
    path = folder / "checkpoint.json"
    with contextlib.suppress(Exception):
        manifest = json.loads(path.read_text())
        for name, listed in manifest["files"].items():
            content = (folder / name).read_bytes()
            listed["num_bytes"] = len(content)
            listed["sha256"] = hashlib.sha256(content).hexdigest()
        path.write_text(json.dumps(manifest))
    return mutation


READERS = [
    Reader(
        "model folder",
        write_checkpoint,
        read_checkpoint,
        free_parts=FREE_PARTS,
        num_cases=50,
    ),
    Reader(
        "model folder with new checksums",
        write_checkpoint,
        read_checkpoint,
        damage=damage_and_renew_checksums,
        free_parts={
            **FREE_PARTS,
            CONFIG_NAME: ("config",),
            r"^vocab\.txt$": ("vocabulary",),
            r"^tokenizer_config\.json$": ("tokenizer",),
            "training_state": ("state",),
            "safetensors": ("arrays",),
        },
        num_cases=60,
    ),
]
