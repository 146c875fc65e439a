"""A model and labelled files for plain Keras: `compile`, `fit`, `save`.

The loop of `bert_tf.run_finetuning` does more: it resumes, packs, warms up, reports.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.catalog import LABELLED_TASKS
from bert_tf.training import finetuning
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

# What `fit` compares the logits with: the name of it, by task.
_TARGETS = {
    "classification": "labels",
    "multi_label": "labels",
    "regression": "values",
    "token_classification": "labels",
}


@dataclasses.dataclass(frozen=True)
class KerasFinetuning:
    """What `fit` takes.

    Attributes:
        model: the encoder with its weights and a head, which is new unless the
            checkpoint has one of the same labels; its output is `logits`.
        train: an epoch of whole batches, in another order each time round.
        held_out: every held-out example once; None if there are none.
        labels: names of the logits, in order; empty for a number.
    """

    model: keras.Model
    train: tf.data.Dataset
    held_out: tf.data.Dataset | None
    labels: tuple[str, ...]


def for_keras(
    init_from: str, train: str, task: str = "classification", **data: Any
) -> KerasFinetuning:
    """Opens a checkpoint and labelled files for plain Keras.

    Args:
        init_from: the checkpoint, in any format that is read.
        train: files of labelled examples.
        task: `classification`, `multi_label`, `regression` or `token_classification`.
        **data: fields of `LabelledDataConfig`, such as `eval`, `max_seq_length` and
            `global_batch_size`.

    Raises:
        InputError: no such task or field, or what is wrong with files or checkpoint.
    """
    if task not in _TARGETS:
        raise InputError(
            f"`task` must be one of {sorted(_TARGETS)} for `fit`; others train with "
            f"`python -m bert_tf.run_finetuning`. Received: {task!r}"
        )
    known = [field.name for field in dataclasses.fields(LabelledDataConfig)]
    if unknown := sorted(data.keys() - known):
        raise InputError(f"No such field of the data: {unknown}. There are {known}.")
    config = FinetuningConfig(
        task=LABELLED_TASKS[task].settings_type(),
        init_from=init_from,
        data=LabelledDataConfig(train=train, **data),
    ).validate()
    inputs = finetuning.open_inputs(config)
    model = inputs.task.create_model(inputs.weights.config)
    finetuning.initialize(model, inputs.weights, inputs.task)
    batch_size = config.data.global_batch_size
    held_out = [as_dataset(source, task, batch_size) for source in inputs.held_out]
    return KerasFinetuning(
        model=model,
        train=as_dataset(inputs.train, task, batch_size),
        held_out=held_out[0] if held_out else None,
        labels=tuple(inputs.task.description.labels),
    )


def as_dataset(source: LabelledSource, task: str, batch_size: int) -> tf.data.Dataset:
    """Returns examples as `fit` takes them.

    Args:
        source: the examples; what is trained on comes in another order each time.
        task: whose examples they are.
        batch_size: examples of a batch.

    Returns:
        A dataset of `(inputs, targets)`: int32 `input_ids`, `input_mask`, `segment_ids`
        `[batch, length]`, and what the logits are compared with; -1 for the pieces of a
        token classifier that have no label. Of examples to train on a smaller batch at
        the end is left out, of those held out it is kept.
    """
    reader = source.reader(replica_batch_size=batch_size)
    count, shuffled = source.num_examples, source.seed is not None
    steps = max(1, count // batch_size) if shuffled else -(-count // batch_size)
    passes = itertools.count()

    def batches() -> Iterator[Any]:
        start = next(passes) * steps * batch_size if shuffled else 0
        for step in range(steps):
            position = start + step * batch_size
            end = batch_size if shuffled else min(batch_size, count - position)
            batch = {n: v[0, 0][:end] for n, v in reader.read(position, 1).items()}
            names = ("input_ids", "input_mask", "segment_ids")
            yield {name: batch[name] for name in names}, _targets(batch, task)

    inputs, targets = next(batches())
    signature = (
        {name: tf.TensorSpec([None, None], tf.int32) for name in inputs},
        tf.TensorSpec([None, *[None] * (targets.ndim - 1)], targets.dtype),
    )
    passes = itertools.count()
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def _targets(batch: dict[str, np.ndarray], task: str) -> np.ndarray:
    values = batch[_TARGETS[task]]
    if task == "token_classification":
        return values
    # The one sequence of a row.
    return values if task == "regression" else values[:, 0]
