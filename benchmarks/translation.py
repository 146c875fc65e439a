r"""Trains a translation model beside Hugging Face's of the same shape, and scores both.

    python -m benchmarks.translation --train_file=train.tsv --test_file=test.tsv \
        --vocab_file=vocab/vocab.txt --size=mini --steps=2000

Encoder and decoder start at random, as large as each other. Both see the same pairs in
batches of as many, with the same recipe, at the same time: each on one thread, so that
other work on the machine slows down both. Ours is the job, which packs pairs; theirs
is `EncoderDecoderModel` in a plain loop, which groups pairs of like length. The test
pairs are translated by the likeliest token of each step, each side by its own search,
and scored with sacrebleu.

The files have a header, `text` and `target`, and quotes mean nothing in them; the
vocabulary is of both languages, see data_prep.create_vocabulary.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

_TRAIN_FILE = flags.DEFINE_string("train_file", None, "Pairs to train on.")
_TEST_FILE = flags.DEFINE_string("test_file", None, "Pairs to translate.")
_VOCAB_FILE = flags.DEFINE_string("vocab_file", None, "The vocabulary of both.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium or base.")
_STEPS = flags.DEFINE_integer("steps", 2000, "Steps of each.")
_PEER_STEPS = flags.DEFINE_integer(
    "peer_steps", None, "Steps of the peer, to train both for the same time."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Pairs a step.")
_LENGTH = flags.DEFINE_integer("length", 64, "Most tokens of a text and a target.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Its peak.")
_TEST_PAIRS = flags.DEFINE_integer("test_pairs", 300, "The first so many are scored.")

_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def main(argv: Sequence[str]) -> None:
    """Trains both at once, and prints a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test = folder / "test.tsv"
        lines = Path(str(_TEST_FILE.value)).read_text(encoding="utf-8").splitlines()
        test.write_text("\n".join(lines[: _TEST_PAIRS.value + 1]) + "\n")
        with Path(str(_TRAIN_FILE.value)).open(encoding="utf-8") as train:
            pairs = sum(1 for _ in train) - 1
        sides = {
            "ours": _start(_our_job(folder, test, pairs)),
            "Hugging Face": _start(_their_job(folder, test)),
        }
        try:
            for side, process in sides.items():
                if process.wait():
                    raise InputError(f"{side}: failed; its own error stands above.")
        finally:
            for process in sides.values():
                process.kill()
        results = {
            "ours": _our_results(folder),
            "Hugging Face": json.loads((folder / "theirs.json").read_text()),
        }
    print(
        f"{_SIZE.value}, {_STEPS.value} steps here and {_peer_steps()} there of "
        f"{_BATCH_SIZE.value} pairs, one thread each"
    )
    for side, values in results.items():
        columns = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"{side}: {columns}")
    ratio = results["ours"]["pairs/s"] / results["Hugging Face"]["pairs/s"]
    print(f"Pairs/s of training: {ratio:.2f} times Hugging Face's")


def _peer_steps() -> int:
    return _STEPS.value if _PEER_STEPS.value is None else _PEER_STEPS.value


def _start(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, **_ONE_THREAD}
    )


def _our_job(folder: Path, test: Path, num_pairs: int) -> list[str]:
    options = {
        "init_from": _VOCAB_FILE.value,
        "task.size": _SIZE.value,
        "task.num_decoder_layers": 0,
        "task.max_target_length": _LENGTH.value,
        "task.max_written_examples": _TEST_PAIRS.value,
        "data.train": _TRAIN_FILE.value,
        "data.eval": test,
        "data.reading.quoting": "none",
        "data.max_seq_length": _LENGTH.value,
        "data.global_batch_size": _BATCH_SIZE.value,
        "data.cache_dir": "none",
        "optimizer.learning_rate": _LEARNING_RATE.value,
        # As PyTorch's AdamW.
        "optimizer.bias_correction": True,
        "num_train_epochs": _STEPS.value * _BATCH_SIZE.value / num_pairs,
        "evaluations_per_epoch": 0.0,
        "checkpoint_interval": 1_000_000,
    }
    return [
        "bert_tf.run_finetuning",
        "--config=configs/seq2seq_translation.py:random",
        f"--workdir={folder / 'ours'}",
        *(f"--config.{name}={value}" for name, value in options.items()),
    ]


def _their_job(folder: Path, test: Path) -> list[str]:
    work = {
        "train": _TRAIN_FILE.value,
        "test": str(test),
        "vocabulary": str(Path(str(_VOCAB_FILE.value)).parent),
        "size": _SIZE.value,
        "steps": _peer_steps(),
        "batch_size": _BATCH_SIZE.value,
        "length": _LENGTH.value,
        "learning_rate": _LEARNING_RATE.value,
        "output": str(folder / "theirs.json"),
    }
    return ["benchmarks.translation_peer", json.dumps(work)]


def _our_results(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "ours" / "eval.json").read_text())
    text = (folder / "ours" / "metrics.jsonl").read_text(encoding="utf-8")
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    rates = [x["examples_per_second"] for x in lines if "examples_per_second" in x]
    return {
        "chrF": found["chrf"],
        "BLEU": found["bleu"],
        "test loss": found["loss"],
        "pairs/s": float(np.median(rates[len(rates) // 2 :])),
        "seconds": found["seconds"],
    }


if __name__ == "__main__":
    jobs.run(main, required=["train_file", "test_file", "vocab_file"])
