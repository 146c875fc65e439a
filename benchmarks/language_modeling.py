r"""A causal language model beside a 5-gram model, by their perplexity a word.

    python -m benchmarks.language_modeling \
        --text_file=benchmarks/data/state_of_the_union.txt.gz

Lines up to a blank one are a document; one in twenty is held out. Both models learn the
same tokens of a vocabulary made of the rest, and are asked for the same held-out ones:
ours is the job of configs/causal_lm.py, from scratch, the other one is
`kneser_ney.KneserNey`.
"""

import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks.job_process import run_job
from bert_tf.cli import jobs

_TEXT_FILE = flags.DEFINE_string("text_file", None, "The text; .gz if compressed.")
_VOCAB_SIZE = flags.DEFINE_integer("vocab_size", 8000, "Most entries.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium or base.")
_EPOCHS = flags.DEFINE_float("epochs", 5.0, "How often every token is learned.")
_LENGTH = flags.DEFINE_integer("length", 256, "Tokens of a block.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Blocks a step.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Its peak.")
_DROPOUT = flags.DEFINE_float("dropout", 0.1, "Of the blocks.")
_PRECISION = flags.DEFINE_string("precision", "float32", "Or bfloat16.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Keeps the run, which then goes on.")

_HELD_OUT_EVERY = 20
_ORDER = 5


def main(argv: Sequence[str]) -> None:
    """Trains one, counts for the other, and prints both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(_WORKDIR.value or name)
        folder.mkdir(parents=True, exist_ok=True)
        _write_documents(Path(str(_TEXT_FILE.value)), folder)
        vocab = folder / "vocab" / "vocab.txt"
        if not vocab.exists():
            run_job(
                "data_prep.create_vocabulary",
                f"--input_file={folder / 'train.txt'}",
                f"--output_file={vocab}",
                f"--vocab_size={_VOCAB_SIZE.value}",
            )
        options = _options(folder)
        run_job(
            "bert_tf.run_finetuning",
            "--config=configs/causal_lm.py:from_scratch",
            f"--workdir={folder / 'run'}",
            *(f"--config.{name}={value}" for name, value in options.items()),
        )
        results = json.loads((folder / "run" / "eval.json").read_text())
        counted = _n_grams(folder)
    print(
        f"Held-out perplexity a word: {results['word_perplexity']:.1f} ({_SIZE.value}, "
        f"{_EPOCHS.value:g} epochs, {results['seconds']:.0f} s), {_ORDER}-grams with "
        f"modified Kneser-Ney smoothing {counted['word_perplexity']:.1f}. A token: "
        f"{results['perplexity']:.2f} and {counted['perplexity']:.2f}; "
        f"{counted['tokens']:,} tokens learned, {counted['held_out']:,} held out."
    )


def _write_documents(path: Path, folder: Path) -> None:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        documents = [text for text in file.read().split("\n\n") if text.strip()]
    held_out = set(range(_HELD_OUT_EVERY // 2, len(documents), _HELD_OUT_EVERY))
    for name, wanted in (("train", False), ("held_out", True)):
        kept = [d for i, d in enumerate(documents) if (i in held_out) == wanted]
        (folder / f"{name}.txt").write_text("\n\n".join(kept), encoding="utf-8")


def _options(folder: Path) -> dict[str, Any]:
    return {
        "init_from": folder / "vocab",
        "task.size": _SIZE.value,
        "data.train": folder / "train.txt",
        "data.eval": folder / "held_out.txt",
        "data.max_seq_length": _LENGTH.value,
        "data.global_batch_size": _BATCH_SIZE.value,
        "data.cache_dir": "none",
        "optimizer.learning_rate": _LEARNING_RATE.value,
        "hidden_dropout_prob": _DROPOUT.value,
        "num_train_epochs": _EPOCHS.value,
        "precision": _PRECISION.value,
    }


def _n_grams(folder: Path) -> dict[str, float]:
    """Returns what n-grams reach on the tokens that the model learned."""
    from benchmarks.kneser_ney import KneserNey
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.labelled.source import LabelledSource
    from bert_tf.metrics.language_modeling import perplexities
    from bert_tf.tasks.causal_lm import CausalLmTask

    checkpoint = resolve_checkpoint(folder / "run")
    task = CausalLmTask(checkpoint.task)
    streams, sizes = [], []
    for name in ("train", "held_out"):
        path = str(folder / f"{name}.txt")
        source = task.open_held_out(path, checkpoint.vocabulary)
        assert isinstance(source, LabelledSource)
        encoded = source.encoded
        # Blocks overlap by a token: what they predict is all but the very first.
        streams.append(np.append(encoded.input_ids[:1], task.predicted(encoded)))
        sizes.append([encoded.targets[n].sum(dtype=float) for n in ("words", "bytes")])
    train, held_out = streams
    model = KneserNey.train(train, len(checkpoint.vocabulary), _ORDER)
    loss = -model.log_probs(held_out).sum()
    return {
        **perplexities(loss, len(held_out) - 1, *sizes[1]),
        "tokens": len(train),
        "held_out": len(held_out),
    }


if __name__ == "__main__":
    jobs.run(main, required=["text_file"])
