"""The side of `benchmarks.finetuning` that is ours: the jobs as a user runs them."""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.finetuning_work import Result, Run
from bert_tf.errors import InputError

_CONFIGS = {
    "sentiment": "classification",
    "topics": "classification",
    "entities": "token_classification",
    "answers": "question_answering",
}


def finetune_and_predict(run: Run) -> Result:
    """Fine-tunes with `bert_tf.run_finetuning`, then predicts in another process.

    Raises:
        InputError: a job failed.
    """
    workdir = Path(run.output_dir)
    options = {
        "init_from": run.model_dir,
        "seed": run.seed,
        "precision": run.precision,
        "num_train_epochs": float(run.num_epochs),
        "evaluations_per_epoch": 0.0,
        "checkpoint_interval": 1_000_000,
        "data.train": run.train_file,
        "data.eval": run.eval_file,
        "data.max_seq_length": run.max_seq_length,
        "data.global_batch_size": run.batch_size,
        # Another framework tokenizes again, too.
        "data.cache_dir": "none",
        "optimizer.learning_rate": run.learning_rate,
        "optimizer.warmup_ratio": run.warmup_share,
        "optimizer.decay_from_warmup": True,
        "optimizer.weight_decay_rate": run.weight_decay,
        "optimizer.max_grad_norm": run.max_grad_norm,
        # As PyTorch's AdamW, which the other frameworks train with.
        "optimizer.bias_correction": True,
        "optimizer.epsilon": 1e-8,
    }
    config = f"configs/finetune_{_CONFIGS[run.task]}.py"
    start = time.perf_counter()
    _run(
        "bert_tf.run_finetuning",
        f"--config={config}",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in options.items()),
    )
    total_seconds = time.perf_counter() - start
    results = json.loads((workdir / "eval.json").read_text())
    predicted = None
    if run.task in ("sentiment", "topics"):
        output = _run(
            "benchmarks.finetuning_ours",
            str(workdir),
            run.eval_file,
            str(run.predict_batch_size),
            run.precision,
        )
        predicted = float(output.splitlines()[-1])
    # `train_examples` counts questions, the steps their windows.
    count = results["step"] * run.batch_size
    return Result(
        metrics={n: v for n, v in results.items() if isinstance(v, float)},
        train_examples=round(count / run.num_epochs),
        train_seconds=results["seconds"],
        train_examples_per_second=count / results["seconds"],
        total_seconds=total_seconds,
        predict_examples_per_second=predicted,
    )


def _run(module: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True
    )
    if result.returncode:
        raise InputError(
            f"{module} failed with exit status {result.returncode}; its own error "
            "stands above."
        )
    return result.stdout


def predict(checkpoint: str, file: str, batch_size: int, precision: str) -> float:
    """Returns the texts a second that a fine-tuned model answers, tokenized anew."""
    import csv

    import bert_tf
    from bert_tf.cli import memory

    memory.keep_memory()
    with open(file, encoding="utf-8", newline="") as rows:
        texts = [row["text"] for row in csv.DictReader(rows)]
    model = bert_tf.load(checkpoint, precision=precision)
    model.predict(texts[:batch_size], batch_size)  # loads and traces
    start = time.perf_counter()
    model.predict(texts, batch_size)
    return len(texts) / (time.perf_counter() - start)


if __name__ == "__main__":
    print(predict(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
