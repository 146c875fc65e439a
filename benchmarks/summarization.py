r"""Trains a model that writes summaries, and scores it beside the first sentence.

    python -m benchmarks.summarization --train_file=train.tsv --test_file=test.tsv \
        --init_from=all-MiniLM-L6-v2

The job is that of configs/seq2seq_summarization.py. Its summaries of the test texts, by
the likeliest token of each step, and the first sentence of each text are compared with
those that people wrote, by ROUGE.

The files have a header, `text` and `target`, and quotes mean nothing in them.
"""

import csv
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.job_process import run_job
from bert_tf.cli import jobs

_TRAIN_FILE = flags.DEFINE_string("train_file", None, "Texts and summaries.")
_TEST_FILE = flags.DEFINE_string("test_file", None, "Texts to summarize.")
_INIT_FROM = flags.DEFINE_string("init_from", None, "The checkpoint to start from.")
_DECODER = flags.DEFINE_string("decoder", "warm_start", "Where the decoder begins.")
_DECODER_LAYERS = flags.DEFINE_integer("decoder_layers", 0, "Its first so many; 0: all")
_EPOCHS = flags.DEFINE_float("epochs", 3.0, "How often every pair is learned.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pairs a step.")
_LENGTH = flags.DEFINE_integer("length", 96, "Most tokens of a text.")
_TARGET_LENGTH = flags.DEFINE_integer("target_length", 32, "Most tokens of a summary.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 5e-4, "Its peak.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Keeps the run, which then goes on.")

_ROUGE = ("rouge1", "rouge2", "rougeL")


def main(argv: Sequence[str]) -> None:
    """Trains, and prints a table."""
    test = Path(str(_TEST_FILE.value))
    with test.open("rb") as file:
        count = sum(1 for _ in file) - 1
    with tempfile.TemporaryDirectory() as name:
        workdir = Path(_WORKDIR.value or name)
        _train(workdir, test, count)
        found = json.loads((workdir / "eval.json").read_text())
    lead = _first_sentences(test)
    print(f"{count:,} texts; {found['seconds']:.0f} s of training")
    for name in _ROUGE:
        print(f"{name}: {found[name]:.4f}, the first sentence {lead[name]:.4f}")


def _train(workdir: Path, test: Path, num_written: int) -> None:
    options: dict[str, Any] = {
        "init_from": _INIT_FROM.value,
        "task.decoder": _DECODER.value,
        "task.num_decoder_layers": _DECODER_LAYERS.value,
        "task.tie_word_embeddings": _DECODER.value != "shared",
        "task.max_target_length": _TARGET_LENGTH.value,
        "task.max_written_examples": num_written,
        "data.train": _TRAIN_FILE.value,
        "data.eval": test,
        "data.reading.quoting": "none",
        "data.max_seq_length": _LENGTH.value,
        "data.global_batch_size": _BATCH_SIZE.value,
        "data.cache_dir": "none",
        "optimizer.learning_rate": _LEARNING_RATE.value,
        "num_train_epochs": _EPOCHS.value,
        "evaluations_per_epoch": 0.0,
    }
    arguments = [f"--config.{name}={value}" for name, value in options.items()]
    run_job(
        "bert_tf.run_finetuning",
        "--config=configs/seq2seq_summarization.py",
        f"--workdir={workdir}",
        *arguments,
    )


def _first_sentences(test: Path) -> dict[str, float]:
    from bert_tf.metrics.summarization import rouge_metrics
    from bert_tf.text.sentences import find_sentences

    with test.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [row["text"] for row in rows]
    firsts = [text[slice(*find_sentences(text, "en")[0])] for text in texts]
    return rouge_metrics(firsts, [row["target"] for row in rows])


if __name__ == "__main__":
    jobs.run(main, required=["train_file", "test_file", "init_from"])
