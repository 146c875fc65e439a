"""Training examples without labels beside those that have some.

Whether one is labelled goes into the batch with it. An example without a label has
some target or other, which counts for nothing.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
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
from bert_tf.tasks.token_classification import TokenClassificationTask
from bert_tf.text.vocabulary import Vocabulary

_LABELLED = "labelled"
_LABELLED_TOKENS = "labelled_tokens"


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


def encode_unlabelled(
    task: LabelledTask,
    examples: Sequence[Any],
    vocabulary: Vocabulary,
    cache_directory: Path | None,
) -> EncodedExamples:
    """Returns examples without labels as ids; see `with_unlabelled`.

    Args:
        task: whose examples they are.
        examples: of `read_unlabelled`.
        vocabulary: of the model.
        cache_directory: where tokenized texts are kept; None to keep none.
    """
    if isinstance(task, TokenClassificationTask):
        # Any tag will do to find the pieces that have one.
        tag = task.description.labels[0]
        examples = [
            dataclasses.replace(example, tags=(tag,) * len(example.spans))
            for example in examples
        ]
    return task.encode(examples, vocabulary, cache_directory)


def with_unlabelled(
    labelled: EncodedExamples, unlabelled: EncodedExamples
) -> EncodedExamples:
    """Returns both, the labelled ones first, each with a mark.

    Args:
        labelled: with their targets.
        unlabelled: token targets of theirs mark the tokens that have answers.
    """
    count, tokens = len(unlabelled), len(unlabelled.input_ids)

    def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.concatenate([first, second.astype(first.dtype)])

    targets = {
        name: join(values, np.zeros([count, *values.shape[1:]]))
        for name, values in labelled.targets.items()
    }
    marks = np.repeat(np.array([1, 0], np.float32), [len(labelled), count])
    targets[_LABELLED] = marks
    token_targets = {
        name: join(values, unlabelled.token_targets[name])
        for name, values in labelled.token_targets.items()
    }
    if token_targets:
        sizes = [len(labelled.input_ids), tokens]
        token_targets[_LABELLED_TOKENS] = np.repeat(np.array([1, 0], np.int32), sizes)
    return EncodedExamples(
        join(labelled.input_ids, unlabelled.input_ids),
        join(labelled.starts, unlabelled.starts[1:] + labelled.starts[-1]),
        join(labelled.first_lengths, unlabelled.first_lengths),
        targets=targets,
        token_targets=token_targets,
        num_cut=labelled.num_cut + unlabelled.num_cut,
    )


def labelled_only(batch: Batch) -> Batch:
    """Returns a batch in which only labelled examples weigh anything."""
    if _LABELLED not in batch:
        return batch
    hidden: dict[str, Any] = {
        "example_weights": batch["example_weights"] * batch[_LABELLED]
    }
    if _LABELLED_TOKENS in batch:
        known = batch[_LABELLED_TOKENS] == 1
        hidden["labels"] = tf.where(known, batch["labels"], IGNORED)
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
