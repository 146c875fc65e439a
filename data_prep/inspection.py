"""Describes a data set's examples and statistics as text."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import decode_example, decode_examples
from bert_tf.storage.tfrecord import read_records
from data_prep.statistics import (
    DOCUMENT_COUNTS,
    NUM_LENGTH_BINS,
    Counts,
    add_counts,
    count_batch,
    summarize,
)

_BAR_WIDTH = 40
_BATCH_SIZE = 256
_LABELS = {
    "next_sentence": ("B follows A", "B is random"),
    "sentence_order": ("B follows A", "A follows B"),
    "none": ("one segment", "one segment"),
}


def describe_examples(dataset: Dataset, num_examples: int) -> Iterator[str]:
    """Yields the first examples as readable lines.

    A masked token is shown as `{original→what stands there}`, or `{original}` where
    it was kept.
    """
    entries = dataset.vocabulary.entries
    for index, record in zip(range(num_examples), dataset.records(), strict=False):
        try:
            example = decode_example(record, dataset.features)
        except InputError as error:
            raise InputError(
                f"{dataset.directory}: record {index + 1}: {error}"
            ) from error
        label = _LABELS[dataset.parameters.objective][
            int(example["next_sentence_labels"][0])
        ]
        length = int(example["input_mask"].sum())
        yield f"Example {index}: {label}, {length} tokens"
        yield "  " + " ".join(_tokens(example, entries)[:length])
        yield ""


def describe_statistics(info: DatasetInfo) -> Iterator[str]:
    """Yields the statistics beside what they should be, and the lengths as a plot."""
    parameters, statistics = info.parameters, info.statistics
    expected = {
        "random_pair_rate": "0.5, more where documents or sentences end a chunk early",
        "swapped_pair_rate": "0.5",
        "masked_rate": f"{parameters.masked_lm_prob}, less if "
        f"{parameters.max_predictions_per_seq} predictions an example are too few",
        "masked_as_mask": "0.8",
        "masked_as_random": "0.1",
        "masked_as_original": "0.1",
        "cut_off_rate": "0.1 to 0.2; 0 for the objective none",
        "unknown_character_rate": "of the whole corpus; near 0 too",
        "unknown_rate": "near 0; above 0.01 the vocabulary does not suit the text",
    }
    yield f"{'statistic':<24} {'value':>14}  expected"
    for name, value in statistics.items():
        if isinstance(value, int | float):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
            yield f"{name:<24} {shown:>14}  {expected.get(name, '')}".rstrip()
    for name, count in statistics.get("inputs", {}).items():
        if isinstance(count, int) and count:
            yield f"{'input: ' + name:<24} {count:>14,}"
    histogram = statistics.get("length_histogram", [])
    if histogram:
        yield ""
        yield "Tokens an example:"
    for index, count in enumerate(histogram):
        low, high = (
            -(-step * parameters.max_seq_length // NUM_LENGTH_BINS) + 1
            for step in (index, index + 1)
        )
        bar = "█" * round(_BAR_WIDTH * count / max(*histogram, 1))
        yield f"{low:>5}-{high - 1:<5} {count:>12,} {bar}".rstrip()


def verify(dataset: Dataset) -> None:
    """Checks files against checksums, records against schema and statistics.

    Raises:
        InputError: something does not match; the message names the file.
    """
    dataset.verify()
    info = dataset.info
    vocabulary = MaskingVocabulary.of(dataset.vocabulary)
    counts: Counts = {}
    for path, shard in zip(dataset.record_paths, info.shards, strict=True):
        num_records = 0
        progress = tqdm(desc=path.name, total=shard.num_records, leave=False)
        with progress:
            for batch in _batches(path, dataset):
                counts = add_counts(counts, count_batch(batch, vocabulary))
                num_records += len(batch["input_ids"])
                progress.update(len(batch["input_ids"]))
        if num_records != shard.num_records:
            raise InputError(
                f"{path}: expected {shard.num_records} records. Received: {num_records}"
            )
    for name in set(DOCUMENT_COUNTS) & set(info.statistics):
        counts[name] = np.asarray(info.statistics[name], np.int64)
    found = summarize(counts, info.parameters) if "records" in counts else {}
    # Data sets of earlier versions state less.
    for name in found.keys() & info.statistics.keys():
        value = found[name]
        if info.statistics[name] != value:
            raise InputError(
                f"{dataset.directory}: the records have `{name}` {value}, but "
                f"dataset_info.json says {info.statistics[name]}. Write the data set "
                "again."
            )


def _batches(path: Path, dataset: Dataset) -> Iterator[dict[str, np.ndarray]]:
    vocab_size = len(dataset.vocabulary)
    records = read_records(path)
    while batch := list(itertools.islice(records, _BATCH_SIZE)):
        try:
            examples = decode_examples(batch, dataset.features)
            for name in ("input_ids", "masked_lm_ids"):
                if name in examples and examples[name].max() >= vocab_size:
                    raise InputError(
                        f"`{name}` must be below the vocabulary's {vocab_size} "
                        f"entries. Received: {examples[name].max()}"
                    )
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        yield examples


def _tokens(example: Mapping[str, np.ndarray], entries: Sequence[str]) -> list[str]:
    tokens = [entries[index] for index in example["input_ids"]]
    if "masked_lm_positions" not in example:
        return tokens
    for position, original, weight in zip(
        example["masked_lm_positions"],
        example["masked_lm_ids"],
        example["masked_lm_weights"],
        strict=True,
    ):
        if weight:
            shown, original_token = tokens[position], entries[original]
            changed = "" if shown == original_token else f"→{shown}"
            tokens[position] = f"{{{original_token}{changed}}}"
    return tokens
