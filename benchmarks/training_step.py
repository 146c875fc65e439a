"""Times a pretraining step beside KerasHub's and Hugging Face's.

    python -m benchmarks.training_step --size=base --seq_length=128 --batch_size=16

All do the same work: embeddings, encoder, pooler and both heads at the masked
positions, dropout, backward pass, clipping by global norm and AdamW, in full batches.
They take turns, a few steps each, so that what else the machine does meets all alike;
a row's figure is the median of its steps, and a ratio is one of two medians. Processor
time, of all threads, is beside the clock's because it suffers less from neighbors.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

from absl import flags

from benchmarks.training_step_workers import FRAMEWORKS
from bert_tf.cli import jobs, memory
from bert_tf.config import BertConfig, model_config
from bert_tf.errors import InputError

_SIZE = flags.DEFINE_string("size", "base", "tiny, mini, small, medium, base or large.")
_SEQ_LENGTH = flags.DEFINE_integer("seq_length", 128, "Tokens a sequence.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Sequences a step.")
_PREDICTIONS = flags.DEFINE_integer(
    "max_predictions_per_seq", 20, "Masked tokens a sequence."
)
_PRECISION = flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16"], "Of the products."
)
_FRAMEWORKS = flags.DEFINE_list(
    "frameworks",
    ["bert_tf", "keras_hub", "hugging_face", "hugging_face_compiled"],
    "Which to run; also `bert_tf_xla`, `bert_tf_rematerialized` and `keras_hub_xla`. "
    "The first is compared with the others.",
)
_PEERS_KEEP_MEMORY = flags.DEFINE_bool(
    "peers_keep_memory",
    False,
    "Let KerasHub have our pool of memory, and PyTorch a malloc that keeps its own.",
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each.")
_STEPS = flags.DEFINE_integer("steps", 2, "Steps a turn.")

OURS = "bert_tf"

# What our pool does for TensorFlow: blocks of any size come from one heap, which never
# shrinks and has large pages.
_MALLOC_KEEPS_MEMORY = ":".join(
    f"glibc.malloc.{setting}"
    for setting in (
        f"mmap_threshold={2**40}",
        f"trim_threshold={2**62}",
        "arena_max=1",
        "hugetlb=1",
    )
)


class Worker:
    """A process that runs one framework's steps; see `training_step_workers`."""

    def __init__(self, framework: str, settings: dict):
        self.framework = framework
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.peak_bytes = 0
        environment = dict(os.environ)
        if framework.startswith(OURS) or _PEERS_KEEP_MEMORY.value:
            environment |= memory.settings()  # As the job sets it.
        if _PEERS_KEEP_MEMORY.value and framework.startswith("hugging_face"):
            environment["GLIBC_TUNABLES"] = _MALLOC_KEEPS_MEMORY
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.training_step_workers",
                json.dumps({**settings, "framework": framework}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, steps: int) -> None:
        """Runs steps and notes what they took."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("result "):
                result = json.loads(line.removeprefix("result "))
                self.peak_bytes = result["peak_bytes"]
                self.seconds += result["seconds"]
                self.cpu_seconds.append(result["cpu_seconds"] / steps)
                return
        raise OSError(f"{self.framework}: ended with {self._process.wait()}")

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def step_flops(config: BertConfig, batch_size: int, seq_length: int, p: int) -> float:
    """Returns the floating-point operations of a step's matrix products.

    Two a multiplication with an addition; the backward pass does twice the forward
    pass' products.
    """
    hidden, tokens = config.hidden_size, batch_size * seq_length
    kernels = 4 * hidden**2 + 2 * hidden * config.intermediate_size
    block = tokens * (kernels + 2 * seq_length * hidden)
    head = batch_size * p * (hidden**2 + hidden * config.vocab_size)
    return 6.0 * (config.num_hidden_layers * block + head)


def main(argv: Sequence[str]) -> None:
    """Runs the benchmark and prints its table."""
    del argv
    config = model_config(_SIZE.value)
    unknown = sorted(set(_FRAMEWORKS.value) - set(FRAMEWORKS))
    if unknown:
        raise InputError(
            f"--frameworks must be of {', '.join(FRAMEWORKS)}. Received: {unknown[0]!r}"
        )
    settings = {
        "size": _SIZE.value,
        "seq_length": _SEQ_LENGTH.value,
        "batch_size": _BATCH_SIZE.value,
        "predictions": _PREDICTIONS.value,
        "precision": _PRECISION.value,
    }
    products = Worker("matrix_products", settings)
    workers = [Worker(framework, settings) for framework in _FRAMEWORKS.value]
    for worker in [products, *workers]:
        print(f"warming up: {worker.framework}", file=sys.stderr)
        worker.run(2)  # Traces, compiles, fills caches.
        worker.seconds.clear()
        worker.cpu_seconds.clear()
    for _ in range(_ROUNDS.value):
        products.run(5)
        for worker in workers:
            worker.run(_STEPS.value)
    for worker in [products, *workers]:
        worker.close()

    tokens = _BATCH_SIZE.value * _SEQ_LENGTH.value
    peak = 2.0 * tokens * config.hidden_size * config.intermediate_size
    peak /= statistics.median(products.seconds)
    flops = step_flops(config, _BATCH_SIZE.value, _SEQ_LENGTH.value, _PREDICTIONS.value)
    print(
        f"BERT-{_SIZE.value}, S {_SEQ_LENGTH.value}, batch {_BATCH_SIZE.value}, "
        f"P {_PREDICTIONS.value}, {_PRECISION.value}, dropout 0.1; "
        f"{_ROUNDS.value} rounds of {_STEPS.value} steps\n"
        f"matrix product alone: {peak / 1e9:.0f} GFLOP/s; "
        f"a step's products: {flops / 1e9:.0f} GFLOP\n\n"
        "| framework | s/step | sequences/s | ratio | CPU s/step | ratio "
        "| GFLOP/s | peak GB |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    first = statistics.median(workers[0].seconds)
    first_cpu = statistics.median(workers[0].cpu_seconds)
    for worker in workers:
        median = statistics.median(worker.seconds)
        cpu = statistics.median(worker.cpu_seconds)
        print(
            f"| {worker.framework} | {median:.3f} | {_BATCH_SIZE.value / median:.2f} "
            f"| {median / first:.2f} | {cpu:.3f} | {cpu / first_cpu:.2f} "
            f"| {flops / median / 1e9:.0f} | {worker.peak_bytes / 1e9:.2f} |"
        )


def cli() -> None:
    """Starts the job."""
    jobs.run(main)


if __name__ == "__main__":
    cli()
