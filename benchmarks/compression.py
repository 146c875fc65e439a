"""Measures what compression costs in accuracy, beside the same size without it.

A teacher is fine-tuned on a few labelled examples; the rest of the data has no labels.
Runs are kept in --output_dir, and finished ones are not done again.

Example:
    python -m benchmarks.compression --method=distillation --task=sentiment \
        --data_dir=data --model_dir=models/minilm --output_dir=runs/compression
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import flags

from benchmarks import (
    compression_distillation,
    compression_pruning,
    compression_quantization,
    compression_runs,
)
from benchmarks.compression_runs import CONFIGS, Setting
from bert_tf.cli import jobs

METHODS: Mapping[str, Callable[[Setting], None]] = {
    "distillation": compression_distillation.measure,
    "structure": compression_pruning.measure_structure,
    "weights": compression_pruning.measure_weights,
    "quantization": compression_quantization.measure,
}

_METHOD = flags.DEFINE_enum("method", None, list(METHODS), "What to measure.")
_TASK = flags.DEFINE_enum("task", "sentiment", list(CONFIGS), "On which data.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data sets.")
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "The checkpoint that everything starts from, MiniLM's."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Takes data and runs.")
_LABELLED = flags.DEFINE_integer("labelled", 4000, "Training examples with labels.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each.")


def main(argv: Sequence[str]) -> None:
    """Prints the measurement."""
    del argv
    setting = compression_runs.prepare(
        _TASK.value,
        Path(str(_DATA_DIR.value)),
        Path(str(_OUTPUT_DIR.value)),
        Path(str(_MODEL_DIR.value)),
        _LABELLED.value,
        _SEEDS.value,
    )
    METHODS[str(_METHOD.value)](setting)


def cli() -> None:
    """Runs the benchmark."""
    jobs.run(main, required=["method", "data_dir", "model_dir", "output_dir"])


if __name__ == "__main__":
    cli()
