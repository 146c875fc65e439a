"""What stands beside weights whose own format has no place for it.

bert_config.json, vocab.txt, tokenizer_config.json    as google-research/bert
heads.json          what the model was trained for; names of new variables; what only
                    Hugging Face knows
heads.safetensors   heads that the format cannot hold, for instance KerasHub's NSP
"""

import dataclasses
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion import heads
from bert_tf.checkpoints.conversion.model_weights import (
    HuggingFaceSettings,
    ModelWeights,
)
from bert_tf.checkpoints.conversion.vocabularies import read_beside
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.storage.json_files import from_dict, read_json, write_json
from bert_tf.storage.safetensors_files import TensorFile, write_tensors
from bert_tf.text.vocabulary import Vocabulary

CONFIG = "bert_config.json"
_HEADS = "heads.json"
_HEAD_WEIGHTS = "heads.safetensors"


@dataclasses.dataclass
class _HeadsFile:
    """The fields of `heads.json`."""

    task: TaskDescription | None = None
    newly_initialised: list[str] = dataclasses.field(default_factory=list)
    hugging_face: HuggingFaceSettings = dataclasses.field(
        default_factory=HuggingFaceSettings
    )


@dataclasses.dataclass
class Heads:
    """What was found of heads beside the weights; None and empty where nothing was.

    Attributes:
        task: what the model was trained for.
        hugging_face: what only Hugging Face's files say.
        newly_initialised: variables that the format needs but the source of the
            conversion lacked; they carry nothing.
        variables: of `heads.safetensors`.
    """

    task: TaskDescription | None
    hugging_face: HuggingFaceSettings
    newly_initialised: list[str]
    variables: dict[str, np.ndarray]


@dataclasses.dataclass
class SideFiles(Heads):
    """What was found beside the weights; None and empty where nothing was.

    Attributes:
        config: of `bert_config.json`.
        vocabulary: of `vocab.txt`; its settings guessed without a file that says them.
    """

    config: BertConfig | None
    vocabulary: Vocabulary | None


def read(folder: Path) -> SideFiles:
    """Reads what there is, in `folder` or, for a SavedModel, its assets."""
    for assets in (folder / "assets", folder / "assets.extra"):
        if not (folder / CONFIG).is_file() and (assets / CONFIG).is_file():
            folder = assets
    has_config = (folder / CONFIG).is_file()
    return SideFiles(
        **vars(read_heads(folder)),
        config=BertConfig.from_json_file(folder / CONFIG) if has_config else None,
        vocabulary=read_beside(folder),
    )


def read_heads(folder: Path) -> Heads:
    """Reads what there is of heads alone."""
    path, weights = folder / _HEADS, folder / _HEAD_WEIGHTS
    values = read_json(path) if path.is_file() else {}
    if isinstance(values.get("task"), str):
        described = heads.of_earlier_version(
            values["task"], values.pop("labels", ()), str(path)
        )
        values["task"] = dataclasses.asdict(described)
    stated: _HeadsFile = from_dict(_HeadsFile, values, source=str(path))
    variables = dict(TensorFile(weights)) if weights.is_file() else {}
    return Heads(stated.task, stated.hugging_face, stated.newly_initialised, variables)


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
    write_json(folder / CONFIG, weights.config.to_dict())
    if weights.vocabulary is not None:
        weights.vocabulary.save(folder)
    write_heads(folder, weights, newly_initialised, homeless)


def write_heads(
    folder: Path,
    weights: ModelWeights,
    newly_initialised: list[str] | None = None,
    homeless: dict[str, np.ndarray] | None = None,
) -> None:
    """Writes the side files of heads alone; see `write`."""
    stated = _HeadsFile(
        task=weights.task if weights.task != TaskDescription() else None,
        newly_initialised=newly_initialised or [],
        hugging_face=weights.hugging_face,
    )
    if homeless or stated != _HeadsFile():
        write_json(folder / _HEADS, dataclasses.asdict(stated))
    if homeless:
        write_tensors(folder / _HEAD_WEIGHTS, homeless)
