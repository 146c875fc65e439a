r"""Trains a model that writes summaries, and scores it beside the first sentence.

    python -m benchmarks.summarization --train_file=train.tsv --test_file=test.tsv \
        --init_from=all-MiniLM-L6-v2

The job is that of configs/seq2seq_summarization.py. Its summaries of the test texts, by
the likeliest token of each step, and the first sentence of each text are compared with
those that people wrote, by ROUGE.

Attention to what is read starts from nothing, and short summaries say little about it:
with `--passage_epochs` the model learns to write passages of the texts first.

The files have a header, `text` and `target`, and quotes mean nothing in them.
"""

import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
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
_ENCODER_LAYERS = flags.DEFINE_integer(
    "encoder_layers", 0, "The checkpoint's first so many; 0: all"
)
_PASSAGE_EPOCHS = flags.DEFINE_float(
    "passage_epochs", 0.0, "Of passages, before summaries."
)
_PASSAGE_LEARNING_RATE = flags.DEFINE_float(
    "passage_learning_rate", 1e-3, "Its peak there."
)
_EPOCHS = flags.DEFINE_float("epochs", 3.0, "How often every pair is learned.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pairs a step.")
_LENGTH = flags.DEFINE_integer("length", 96, "Most tokens of a text.")
_TARGET_LENGTH = flags.DEFINE_integer("target_length", 32, "Most tokens of a summary.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 5e-4, "Its peak.")
_DROPOUT = flags.DEFINE_float("hidden_dropout_prob", 0.1, "Dropped share of outputs.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Keeps the run, which then goes on.")

_ROUGE = ("rouge1", "rouge2", "rougeL")


def main(argv: Sequence[str]) -> None:
    """Trains, and prints a table."""
    train, test = Path(str(_TRAIN_FILE.value)), Path(str(_TEST_FILE.value))
    with tempfile.TemporaryDirectory() as name:
        workdir = Path(_WORKDIR.value or name)
        workdir.mkdir(parents=True, exist_ok=True)
        init_from, seconds = _start(workdir), 0.0
        if _PASSAGE_EPOCHS.value:
            file, learned = workdir / "passages.jsonl", workdir / "passages"
            run_job(
                "bert_tf.draw_passages",
                input_file=train,
                output_file=file,
                read_words=40,
            )
            options: dict[str, Any] = {
                "data.eval_share": 0.01,
                "task.max_written_examples": 0,
                "optimizer.learning_rate": _PASSAGE_LEARNING_RATE.value,
                "num_train_epochs": _PASSAGE_EPOCHS.value,
            }
            seconds += _train(learned, init_from, file, options)["seconds"]
            init_from = learned
        options = {
            "data.eval": test,
            "task.max_written_examples": len(_rows(test)),
            "optimizer.learning_rate": _LEARNING_RATE.value,
            "num_train_epochs": _EPOCHS.value,
        }
        found = _train(workdir / "summaries", init_from, train, options)
    lead = _first_sentences(test)
    seconds += found["seconds"]
    print(f"{len(_rows(test)):,} texts; {seconds:.0f} s of training")
    for name in _ROUGE:
        print(f"{name}: {found[name]:.4f}, the first sentence {lead[name]:.4f}")


def _start(workdir: Path) -> Path:
    """Returns the checkpoint to start from, with the first layers of its encoder."""
    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.conversion import resizing

    init_from, folder = Path(str(_INIT_FROM.value)), workdir / "start"
    if not _ENCODER_LAYERS.value:
        return init_from
    if not folder.exists():
        weights = conversion.load_any(init_from)
        weights = resizing.keep_layers(weights, range(_ENCODER_LAYERS.value))
        conversion.save(weights, folder, "native")
    return folder


def _train(
    workdir: Path, init_from: Path, train: Path, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Runs the job, and returns its evaluation."""
    options = {
        "init_from": init_from,
        "task.decoder": _DECODER.value,
        "task.num_decoder_layers": _DECODER_LAYERS.value,
        "task.tie_word_embeddings": _DECODER.value != "shared",
        "task.max_target_length": _TARGET_LENGTH.value,
        "data.train": train,
        "data.reading.quoting": "none",
        "data.max_seq_length": _LENGTH.value,
        "data.global_batch_size": _BATCH_SIZE.value,
        "data.cache_dir": "none",
        "hidden_dropout_prob": _DROPOUT.value,
        "evaluations_per_epoch": 0.0,
        **options,
    }
    arguments = [f"--config.{name}={value}" for name, value in options.items()]
    run_job(
        "bert_tf.run_finetuning",
        "--config=configs/seq2seq_summarization.py",
        f"--workdir={workdir}",
        *arguments,
    )
    evaluation: dict[str, Any] = json.loads((workdir / "eval.json").read_text())
    return evaluation


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _first_sentences(test: Path) -> dict[str, float]:
    from bert_tf.metrics.summarization import rouge_metrics
    from bert_tf.text.sentences import find_sentences

    rows = _rows(test)
    texts = [row["text"] for row in rows]
    firsts = [text[slice(*find_sentences(text, "en")[0])] for text in texts]
    return rouge_metrics(firsts, [row["target"] for row in rows])


if __name__ == "__main__":
    jobs.run(main, required=["train_file", "test_file", "init_from"])
