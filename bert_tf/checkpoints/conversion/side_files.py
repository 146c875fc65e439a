"""What stands beside weights whose own format has no place for it.

bert_config.json, vocab.txt, tokenizer_config.json    as google-research/bert
heads.json          the fine-tuned task and its labels; names of new variables; what
                    only Hugging Face knows
heads.safetensors   heads that the format cannot hold, for instance KerasHub's NSP
"""

import dataclasses
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.conversion.model_weights import (
    HuggingFaceSettings,
    ModelWeights,
)
from bert_tf.checkpoints.conversion.vocabularies import read_beside
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_dict, read_json, write_json
from bert_tf.storage.safetensors_files import TensorFile, write_tensors
from bert_tf.text.vocabulary import Vocabulary

CONFIG = "bert_config.json"
_HEADS = "heads.json"
_HEAD_WEIGHTS = "heads.safetensors"


@dataclasses.dataclass
class _Heads:
    """The fields of `heads.json`."""

    task: str | None = None
    labels: list[str] = dataclasses.field(default_factory=list)
    newly_initialised: list[str] = dataclasses.field(default_factory=list)
    hugging_face: HuggingFaceSettings = dataclasses.field(
        default_factory=HuggingFaceSettings
    )


@dataclasses.dataclass
class SideFiles:
    """What was found beside the weights; None and empty where nothing was.

    Attributes:
        config: of `bert_config.json`.
        vocabulary: of `vocab.txt`; its settings guessed without a file that says them.
        task: a key of `names.TASK_HEADS`.
        labels: what the task head's outputs mean.
        hugging_face: what only Hugging Face's files say.
        newly_initialised: variables that the format needs but the source of the
            conversion lacked; they carry nothing.
        variables: of `heads.safetensors`.
    """

    config: BertConfig | None
    vocabulary: Vocabulary | None
    task: str | None
    labels: list[str]
    hugging_face: HuggingFaceSettings
    newly_initialised: list[str]
    variables: dict[str, np.ndarray]


def read(folder: Path) -> SideFiles:
    """Reads what there is, in `folder` or, for a SavedModel, its assets."""
    for assets in (folder / "assets", folder / "assets.extra"):
        if not (folder / CONFIG).is_file() and (assets / CONFIG).is_file():
            folder = assets
    path = folder / _HEADS
    heads: _Heads = from_dict(
        _Heads, read_json(path) if path.is_file() else {}, source=str(path)
    )
    if heads.task is not None and heads.task not in names.TASK_HEADS:
        raise InputError(
            f"{path}: `task` must be one of {', '.join(names.TASK_HEADS)}. "
            f"Received: {heads.task!r:.60}"
        )
    has_config = (folder / CONFIG).is_file()
    has_heads = (folder / _HEAD_WEIGHTS).is_file()
    return SideFiles(
        config=BertConfig.from_json_file(folder / CONFIG) if has_config else None,
        vocabulary=read_beside(folder),
        task=heads.task,
        labels=heads.labels,
        hugging_face=heads.hugging_face,
        newly_initialised=heads.newly_initialised,
        variables=dict(TensorFile(folder / _HEAD_WEIGHTS)) if has_heads else {},
    )


def write(
    folder: Path,
    weights: ModelWeights,
    *,
    newly_initialised: list[str] | None = None,
    homeless: dict[str, np.ndarray] | None = None,
) -> None:
    """Writes the side files of weights written to `folder`.

    Args:
        folder: exists already.
        weights: what was written.
        newly_initialised: names of variables that the format needed and got anew.
        homeless: variables that the format has no place for.
    """
    write_json(folder / CONFIG, dataclasses.asdict(weights.config))
    if weights.vocabulary is not None:
        weights.vocabulary.save(folder)
    heads = _Heads(
        task=weights.task,
        labels=weights.labels if weights.task else [],
        newly_initialised=newly_initialised or [],
        hugging_face=weights.hugging_face,
    )
    if homeless or heads != _Heads():
        write_json(folder / _HEADS, dataclasses.asdict(heads))
    if homeless:
        write_tensors(folder / _HEAD_WEIGHTS, homeless)
