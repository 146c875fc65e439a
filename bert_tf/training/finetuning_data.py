"""Labelled files as what a fine-tuning run reads: divided, fingerprinted, encoded."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.labelled.reading import load_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.splits import find_duplicates, split_examples, text_hash
from bert_tf.labelled.tokenized import default_cache_directory
from bert_tf.storage.input_files import find_input_files
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training.finetuning_config import FinetuningConfig
from bert_tf.training.same_data import Fingerprint, Fingerprints


@dataclasses.dataclass(frozen=True)
class LabelledData:
    """The examples of a run, read and divided.

    Attributes:
        known: all of the files to train on: what they have, the model is to know.
        train: to train on.
        held_out: to evaluate on; perhaps none.
        lines: what reading them found, for people.
    """

    known: Sequence[Any]
    train: Sequence[Any]
    held_out: Sequence[Any]
    lines: Sequence[str]


def read_data(config: FinetuningConfig, task_type: type[LabelledTask]) -> LabelledData:
    """Reads the labelled files and holds out what is to be evaluated on.

    Raises:
        InputError: a file that cannot be read, named with the place.
    """
    report = LabelledReport()
    reading, seed = config.data.reading, config.data_seed
    known = examples = load_examples(
        task_type.kind, find_input_files(config.data.train), reading, report
    )
    held_out: list[Any] = []
    if config.data.eval:
        held_out = load_examples(
            task_type.kind, find_input_files(config.data.eval), reading, report
        )
    elif config.data.eval_share:
        examples, held_out = split_examples(
            examples,
            config.data.eval_share,
            seed,
            task_type.strata(examples),
            task_type.groups(examples),
        )
    examples = draw(examples, config.data.max_examples, seed)
    lines = [
        *report.lines(),
        f"{len(examples):,} to train on, {len(held_out):,} held out",
        *find_duplicates(examples, {"evaluation": held_out}).lines(),
    ]
    return LabelledData(known, examples, held_out, lines)


def draw(examples: Sequence[Any], count: int, seed: int) -> list[Any]:
    """Returns so many examples, in their order; 0 for all.

    By a hash of the text: the same draw from the same texts in any order.
    """
    if not count or count >= len(examples):
        return list(examples)
    order = np.argsort([text_hash(example.key, seed) for example in examples])
    return [examples[i] for i in np.sort(order[:count])]


def fingerprints(
    config: FinetuningConfig,
    data: LabelledData,
    vocabulary: Vocabulary,
    unlabelled: Sequence[Any] = (),
) -> Fingerprints:
    """Returns what tells the data of a run from any other; see `same_data`.

    Args:
        config: of the run.
        data: with labels.
        vocabulary: of the model.
        unlabelled: further examples.
    """
    held_out = _fingerprint(data.held_out, vocabulary) if data.held_out else None
    more = _fingerprint(unlabelled, vocabulary) if unlabelled else None
    return {
        "distillation.unlabelled": Fingerprint(config.distillation.unlabelled, more),
        "data.train": Fingerprint(
            config.data.train, _fingerprint(data.train, vocabulary)
        ),
        "data.eval": Fingerprint(config.data.eval, held_out),
    }


def _fingerprint(examples: Sequence[Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Returns what tells examples from any others, wherever they lie."""
    digest = hashlib.sha256()
    for example in examples:
        values = dataclasses.asdict(example)
        del values["place"]
        digest.update(repr(values).encode("utf-8", "surrogatepass"))
    return {
        "num_examples": len(examples),
        "examples_hash": digest.hexdigest(),
        **vocabulary.identity,
    }


def source(
    task: LabelledTask,
    examples: Sequence[Any],
    vocabulary: Vocabulary,
    config: FinetuningConfig,
    data: LabelledData,
    seed: int | None,
) -> LabelledSource:
    """Encodes examples.

    Args:
        task: whose examples they are.
        examples: those to train on, or those held out.
        vocabulary: of the model.
        config: of the run.
        data: all examples, for the report.
        seed: Seed of the order to train in; None for held-out examples.
    """
    encoded = task.encode(examples, vocabulary, cache_directory(config))
    targets = task.targets(examples)
    if seed is not None:
        targets |= task.training_targets(examples)
    return LabelledSource(
        encoded.with_targets(**targets),
        task.description.max_seq_length or 0,
        seed=seed,
        examples=examples,
        description={
            "examples": len(examples),
            "tokens": int(encoded.starts[-1]),
            "examples cut": encoded.num_cut,
            "found": list(data.lines),
        },
    )


def cache_directory(config: FinetuningConfig) -> Path | None:
    """Returns where tokenized texts are kept; None to keep none."""
    named = config.data.cache_dir
    if named == "none":
        return None
    return Path(named) if named else default_cache_directory()
