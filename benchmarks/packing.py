"""Times a training step with one example a row, and with several.

    python -m benchmarks.packing --train_dir=data/train --size=mini --batch_size=64

Both train on the same examples of a data set, batch by batch in turns, as the training
loop does it, with AdamW and dropout 0.1. The ratio is one of medians over batches. The
first time that a number of rows comes up XLA compiles for it; that is told apart.
"""

import statistics
import time
from collections.abc import Sequence

import numpy as np
from absl import flags

from benchmarks.training_step_work import Batch
from benchmarks.training_step_workers import build_our_step
from bert_tf.cli import jobs, memory
from bert_tf.config import model_config
from bert_tf.data.dataset import Dataset

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium, base or large.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.")
_BATCHES = flags.DEFINE_integer("batches", 8, "Different batches.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Passes over them, after a first one.")


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    memory.keep_memory()
    import tensorflow as tf

    dataset = Dataset.open(str(_TRAIN_DIR.value))
    max_seq_length = dataset.parameters.max_seq_length
    vocab_size = dataset.info.vocab_size
    run_step = build_our_step(model_config(_SIZE.value, vocab_size=vocab_size))
    batches = {
        "one": read_batches(dataset, pack=False),
        "several": read_batches(dataset, pack=True),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in batches}
    first: dict[str, list[float]] = {kind: [] for kind in batches}
    for round_number in range(_ROUNDS.value + 1):
        for index in range(_BATCHES.value):
            for kind in batches:
                batch = batches[kind][index]
                tensors = {n: tf.constant(v[np.newaxis]) for n, v in batch.items()}
                start = time.perf_counter()
                run_step(tensors, 0)
                taken = time.perf_counter() - start
                (seconds if round_number else first)[kind].append(taken)

    places = _BATCH_SIZE.value * max_seq_length
    fill_rate = np.mean([b["input_mask"].sum() / places for b in batches["one"]])
    print(
        f"BERT-{_SIZE.value}, {_BATCH_SIZE.value} examples a step, "
        f"S {max_seq_length}, {fill_rate:.1%} of their places filled"
        "\n\n| examples a row | rows | s/step | ratio | compiling, s |\n"
        "|---|---|---|---|---|"
    )
    baseline = statistics.median(seconds["one"])
    for kind, times in seconds.items():
        rows = [int(b.get("num_rows", _BATCH_SIZE.value)) for b in batches[kind]]
        median = statistics.median(times)
        compiling = sum(first[kind]) - sum(times) / _ROUNDS.value
        print(
            f"| {kind} | {np.mean(rows):.1f} ({len(set(rows))} numbers) | {median:.3f} "
            f"| {baseline / median:.2f} | {compiling:.1f} |"
        )


def read_batches(dataset: Dataset, *, pack: bool) -> list[Batch]:
    """Reads the batches that a run would begin with."""
    from bert_tf.data.input_pipeline import pretraining_reader

    reader = pretraining_reader(
        dataset,
        dataset.examples(seed=1),
        replica_batch_size=_BATCH_SIZE.value,
        pack=pack,
    )
    batches = reader.read(0, _BATCHES.value)
    return [
        {name: values[0, index] for name, values in batches.items()}
        for index in range(_BATCHES.value)
    ]


def cli() -> None:
    """Starts the benchmark from a command line."""
    jobs.run(main, required=["train_dir"])


if __name__ == "__main__":
    cli()
