"""Training examples without labels beside those that have some.

Whether one is labelled goes into the batch with it. An example without a label has
some target or other, which counts for nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED, EncodedExamples
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.reading import read_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.storage.input_files import find_input_files
from bert_tf.tasks.endpoint import Batch
from bert_tf.tasks.labelled_task import LabelledTask

_LABELLED = "labelled"
_LABELLED_TOKENS = "labelled_tokens"
_LABELLED_SENTENCES = "labelled_sentences"


def read_unlabelled(
    task_type: type[LabelledTask], paths: str, options: ReadOptions
) -> list[Any]:
    """Returns the examples of files, their labels unread.

    Args:
        task_type: whose examples they are.
        paths: files, folders and globs, comma separated; empty for none.
        options: how the files are read.

    Raises:
        InputError: a file that cannot be read, or no example in any.
    """
    if not paths:
        return []
    report = LabelledReport()
    found = read_examples(
        task_type.kind, find_input_files(paths), options, report, with_targets=False
    )
    examples = [example for example in found if not example.is_empty]
    if not examples:
        raise InputError(
            f"`distillation.unlabelled` {paths}: holds no text. Name another file, or "
            "leave it out."
        )
    return examples


def with_unlabelled(
    labelled: EncodedExamples, unlabelled: EncodedExamples
) -> EncodedExamples:
    """Returns both, the labelled ones first, each with a mark.

    Args:
        labelled: with their targets.
        unlabelled: of `LabelledTask.encode_unlabelled`; targets that it lacks are 0.
    """
    count = len(unlabelled)

    def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.concatenate([first, second.astype(first.dtype)])

    targets = {
        name: join(
            values,
            unlabelled.targets.get(name, np.zeros([count, *values.shape[1:]])),
        )
        for name, values in labelled.targets.items()
    }
    targets[_LABELLED] = _marks(len(labelled), count, np.float32)
    token_targets, cls_targets = (
        {name: join(values, theirs[name]) for name, values in ours.items()}
        for ours, theirs in (
            (labelled.token_targets, unlabelled.token_targets),
            (labelled.cls_targets, unlabelled.cls_targets),
        )
    )
    if token_targets:
        sizes = len(labelled.input_ids), len(unlabelled.input_ids)
        token_targets[_LABELLED_TOKENS] = _marks(*sizes, np.int32)
    if cls_targets:
        sizes = len(labelled.cls_positions), len(unlabelled.cls_positions)
        cls_targets[_LABELLED_SENTENCES] = _marks(*sizes, np.int32)
    group_splits = sentences = None
    if labelled.group_splits is not None:
        assert unlabelled.group_splits is not None
        more = unlabelled.group_splits[1:] + labelled.group_splits[-1]
        group_splits = join(labelled.group_splits, more)
    if labelled.sentences is not None:
        assert unlabelled.sentences is not None
        sentences = labelled.sentences.followed_by(unlabelled.sentences)
    return EncodedExamples(
        join(labelled.input_ids, unlabelled.input_ids),
        join(labelled.starts, unlabelled.starts[1:] + labelled.starts[-1]),
        join(labelled.first_lengths, unlabelled.first_lengths),
        targets=targets,
        token_targets=token_targets,
        cls_targets=cls_targets,
        num_cut=labelled.num_cut + unlabelled.num_cut,
        group_splits=group_splits,
        sentences=sentences,
    )


def _marks(labelled: int, unlabelled: int, dtype: type) -> np.ndarray:
    return np.repeat(np.array([1, 0], dtype), [labelled, unlabelled])


def labelled_only(batch: Batch) -> Batch:
    """Returns a batch in which only labelled examples weigh anything."""
    if _LABELLED not in batch:
        return batch
    hidden: dict[str, Any] = {
        "example_weights": batch["example_weights"] * batch[_LABELLED]
    }
    if "group_ids" in batch:
        hidden["group_ids"] = tf.where(batch[_LABELLED] > 0, batch["group_ids"], 0)
    for mark in (_LABELLED_TOKENS, _LABELLED_SENTENCES):
        if mark in batch:
            hidden["labels"] = tf.where(batch[mark] == 1, batch["labels"], IGNORED)
    return {**batch, **hidden}


def labelled_part(source: LabelledSource) -> LabelledSource:
    """Returns a source whose targets are those of the labelled examples alone.

    For what is counted of the targets: its tokens stay all.
    """
    encoded = source.encoded
    if _LABELLED not in encoded.targets:
        return source
    known = encoded.targets[_LABELLED] > 0
    targets: Mapping[str, np.ndarray] = {
        name: values[known] for name, values in encoded.targets.items()
    }
    token_targets = encoded.token_targets
    if _LABELLED_TOKENS in token_targets:
        marks = token_targets[_LABELLED_TOKENS] == 1
        token_targets = {
            name: values[marks]
            for name, values in token_targets.items()
            if values.ndim == 1  # What a teacher saw of them is large.
        }
    return dataclasses.replace(
        source,
        encoded=dataclasses.replace(
            encoded, targets=targets, token_targets=token_targets
        ),
    )
