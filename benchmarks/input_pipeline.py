"""Measures the input pipeline: how fast it reads, and how well it shuffles.

    python -m benchmarks.input_pipeline --train_dir=data/train

Speed is that of one thread that reads, checks and parses, over the data's examples in
training order. What share of a step this is, a run says itself: `input_wait_share` in
`metrics.jsonl`. Shuffling is measured on the places of records in their files, beside
a random permutation's.
"""

import statistics
import time
from collections.abc import Sequence

import numpy as np
from absl import flags

from bert_tf.cli import jobs
from bert_tf.data.dataset import Dataset
from bert_tf.data.example_stream import ExampleStream

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Sequences a batch.")
_BATCHES = flags.DEFINE_integer("batches", 40, "Batches a round.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds; their median counts.")
_BLOCK_MIB = flags.DEFINE_integer(
    "block_mib", 1024, "Size of the blocks that are shuffled as a whole."
)


def main(argv: Sequence[str]) -> None:
    """Prints speed and shuffling."""
    del argv
    dataset = Dataset.open(str(_TRAIN_DIR.value))
    _measure_speed(dataset)
    _measure_shuffling(dataset)


def _measure_speed(dataset: Dataset) -> None:
    from bert_tf.data.input_pipeline import pretraining_reader

    reader = pretraining_reader(
        dataset, dataset.examples(seed=1), replica_batch_size=_BATCH_SIZE.value
    )
    rates = []
    for round_number in range(_ROUNDS.value + 1):
        position = round_number * _BATCHES.value * _BATCH_SIZE.value
        start = time.perf_counter()
        reader.read(position, _BATCHES.value)
        seconds = time.perf_counter() - start
        rates.append(_BATCHES.value * _BATCH_SIZE.value / seconds)
    print(
        f"One thread reads {statistics.median(rates[1:]):,.0f} sequences/s of "
        f"{dataset.parameters.max_seq_length} tokens"
    )


def _measure_shuffling(dataset: Dataset) -> None:
    """Compares the order of an epoch with a random permutation."""
    counts = [shard.num_records for shard in dataset.info.shards]
    stream = ExampleStream(
        list(zip(dataset.record_paths, counts, strict=True)),
        seed=1,
        block_bytes=_BLOCK_MIB.value << 20,
    )
    place_of: dict[bytes, int] = {}
    for record in dataset.records():
        place_of.setdefault(record, len(place_of))
    epoch = stream.read(range(stream.num_records))
    places = np.array([place_of[record] for record in epoch])
    random_places = np.random.default_rng(0).permutation(places)
    # Neighbors in the files mostly come from one document.
    for name, found in (("our order", places), ("a permutation", random_places)):
        moved = np.abs(found - np.arange(len(found))).mean() / len(found)
        batches = found[: len(found) // 256 * 256].reshape(-1, 256)
        gaps = np.diff(np.sort(batches, axis=1), axis=1)
        print(
            f"{name}: a record moves {moved:.3f} of the epoch on average; "
            f"{(gaps <= 2).mean():.4f} of a batch's records have a neighbor from the "
            "files within two places"
        )


def cli() -> None:
    """Starts the benchmark from a command line."""
    jobs.run(main, required=["train_dir"])


if __name__ == "__main__":
    cli()
