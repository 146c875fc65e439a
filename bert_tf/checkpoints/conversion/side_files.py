"""What stands beside weights whose own format has no place for it.

bert_config.json, vocab.txt, tokenizer_config.json    as google-research/bert
heads.json          the fine-tuned task and its labels; names of new variables
heads.safetensors   heads that the format cannot hold, for instance KerasHub's NSP
"""

import dataclasses
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.conversion.vocabularies import read_beside
from bert_tf.config import BertConfig
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.storage.safetensors_files import TensorFile, write_tensors
from bert_tf.text.vocabulary import Vocabulary

CONFIG = "bert_config.json"
_HEADS = "heads.json"
_HEAD_WEIGHTS = "heads.safetensors"


@dataclasses.dataclass
class SideFiles:
    """What was found beside the weights; None and empty where nothing was.

    Attributes:
        config: of `bert_config.json`.
        vocabulary: of `vocab.txt`; its settings guessed without a file that says them.
        task: a key of `names.TASK_HEADS`.
        labels: what the task head's outputs mean.
        newly_initialised: variables that the format needs but the source of the
            conversion lacked; they carry nothing.
        variables: of `heads.safetensors`.
    """

    config: BertConfig | None
    vocabulary: Vocabulary | None
    task: str | None
    labels: list[str]
    newly_initialised: list[str]
    variables: dict[str, np.ndarray]


def read(folder: Path) -> SideFiles:
    """Reads what there is, in `folder` or, for a SavedModel, its `assets`."""
    if not (folder / CONFIG).is_file() and (folder / "assets" / CONFIG).is_file():
        folder = folder / "assets"
    heads = read_json(folder / _HEADS) if (folder / _HEADS).is_file() else {}
    has_config = (folder / CONFIG).is_file()
    has_heads = (folder / _HEAD_WEIGHTS).is_file()
    return SideFiles(
        config=BertConfig.from_json_file(folder / CONFIG) if has_config else None,
        vocabulary=read_beside(folder),
        task=heads.get("task"),
        labels=heads.get("labels", []),
        newly_initialised=heads.get("newly_initialised", []),
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
    if weights.task or newly_initialised or homeless:
        heads = {
            "task": weights.task,
            "labels": weights.labels,
            "newly_initialised": newly_initialised or [],
        }
        write_json(folder / _HEADS, heads)
    if homeless:
        write_tensors(folder / _HEAD_WEIGHTS, homeless)
