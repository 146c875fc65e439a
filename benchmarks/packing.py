"""Times a training step with one example a row, and with several.

    python -m benchmarks.packing --train_dir=data/train --size=mini --batch_size=64

Both train on the same examples of a data set, batch by batch in turns, as the training
loop does it, with AdamW and dropout 0.1. The ratio is one of medians over batches. The
first time that a number of rows comes up XLA compiles for it; that is told apart.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags

from bert_tf import jobs, memory
from bert_tf.config import OptimizerConfig, model_config
from bert_tf.dataset_info import DatasetInfo

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium, base or large.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.")
_BATCHES = flags.DEFINE_integer("batches", 8, "Different batches.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Passes over them, after a first one.")

Batch = dict[str, np.ndarray]


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    memory.restart_keeping_memory()
    directory = str(_TRAIN_DIR.value)
    info = DatasetInfo.load(directory)
    step = build_step(info)
    batches = {
        "one": read_batches(directory, info, pack=False),
        "several": read_batches(directory, info, pack=True),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in batches}
    first: dict[str, list[float]] = {kind: [] for kind in batches}
    for round_number in range(_ROUNDS.value + 1):
        for index in range(_BATCHES.value):
            for kind in batches:
                taken = step(batches[kind][index])
                (seconds if round_number else first)[kind].append(taken)

    places = _BATCH_SIZE.value * info.parameters.max_seq_length
    fill_rate = np.mean([b["input_mask"].sum() / places for b in batches["one"]])
    print(
        f"BERT-{_SIZE.value}, {_BATCH_SIZE.value} examples a step, "
        f"S {info.parameters.max_seq_length}, {fill_rate:.1%} of their places filled"
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


def read_batches(directory: str, info: DatasetInfo, *, pack: bool) -> list[Batch]:
    """Reads the batches that a run would begin with."""
    from bert_tf.input_pipeline import open_examples, pretraining_reader

    reader = pretraining_reader(
        directory,
        open_examples(directory, info, seed=1),
        info,
        num_replicas=1,
        local_replicas=range(1),
        replica_batch_size=_BATCH_SIZE.value,
        pack=pack,
    )
    batches = reader.read(0, _BATCHES.value)
    return [
        {name: values[0, index] for name, values in batches.items()}
        for index in range(_BATCHES.value)
    ]


def build_step(info: DatasetInfo) -> Callable[[Batch], float]:
    """Returns a function that trains on a batch and tells how many seconds it took."""
    import tensorflow as tf

    from bert_tf.models import BertPretrainer, named_variables
    from bert_tf.optimizers import create_optimizer
    from bert_tf.training.pretraining_task import PretrainingTask
    from bert_tf.training.step import build_train_function

    model = BertPretrainer(model_config(_SIZE.value, vocab_size=info.vocab_size))
    train = build_train_function(
        tf.distribute.get_strategy(),
        PretrainingTask(),
        model,
        create_optimizer(OptimizerConfig(), named_variables(model)),
        seed=0,
        max_grad_norm=1.0,
        static_micro_batches=1,
        jit_compile=False,
        loss_scaling=False,
    )

    def step(batch: Batch) -> float:
        batches = {name: tf.constant(v[np.newaxis]) for name, v in batch.items()}
        start = time.perf_counter()
        rows, _, _ = train(
            batches,
            tf.zeros([2]),
            tf.ones([1], tf.int32),
            tf.constant([1e-4]),
            tf.constant(0, tf.int64),
            tf.constant(1),
            tf.constant([1.0, 0.0]),
        )
        rows.numpy()
        return time.perf_counter() - start

    return step


def cli() -> None:
    """Starts the benchmark from a command line."""
    flags.mark_flags_as_required(["train_dir"])
    jobs.run(main)


if __name__ == "__main__":
    cli()
