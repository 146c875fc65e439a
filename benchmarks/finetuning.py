"""Fine-tunes and predicts beside Hugging Face's Trainer: quality and speed.

    python -m benchmarks.finetuning --data_dir=DATA --tasks=sentiment

Every framework gets the same files, initial weights, hyper-parameters and seeds, a
process for each run, one after the other. `hugging_face_padded` has the defaults of its
`run_glue.py`, and runs with the first seed only, since padding changes the time and not
what is learned; `hugging_face_dynamic` has its best: padding to the longest of a batch,
examples grouped by length. `benchmarks/finetuning_data.py` says what DATA holds.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from benchmarks import finetuning_data
from benchmarks.finetuning_ours import finetune_and_predict
from benchmarks.finetuning_work import HEADLINE, Result, Run
from bert_tf.cli import jobs
from bert_tf.errors import InputError
from bert_tf.storage.json_files import write_json

_DATA_DIR = flags.DEFINE_string("data_dir", None, "The data sets.")
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Weights to start from, a Hugging Face folder; DATA/minilm."
)
_TASKS = flags.DEFINE_list(
    "tasks", list(finetuning_data.TASKS), "sentiment, topics, entities, answers."
)
_FRAMEWORKS = flags.DEFINE_list(
    "frameworks",
    ["hugging_face_padded", "hugging_face_dynamic", "bert_tf"],
    "Which to run. The others are compared with the first.",
)
_SEEDS = flags.DEFINE_list("seeds", ["1", "2", "3"], "Seeds, a run each.")
_TRAIN_EXAMPLES = flags.DEFINE_integer(
    "train_examples", 4000, "To train on, windows for answers; 0 for all."
)
_EVAL_EXAMPLES = flags.DEFINE_integer("eval_examples", 2000, "To score; 0 for all.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Examples a step.")
_EPOCHS = flags.DEFINE_integer("num_epochs", 2, "Passes over the training examples.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 5e-5, "The schedule's peak.")
_PRECISION = flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16"], "Of the products."
)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "Takes all results as JSON.")

_FIRST_SEED_ONLY = ("hugging_face_padded",)


def hugging_face(setting: str, run: Run) -> Result:
    """Runs Hugging Face's Trainer in a process of its own.

    Args:
        setting: "padded" or "dynamic".
        run: what to do.

    Raises:
        InputError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.finetuning_peers", setting]
    result = subprocess.run(
        [*command, run.to_json()], stdout=subprocess.PIPE, text=True
    )
    for line in result.stdout.splitlines():
        if line.startswith("result "):
            return Result(**json.loads(line.removeprefix("result ")))
    raise InputError(
        f"Hugging Face ({setting}) failed with exit status {result.returncode}; its "
        "own error stands above."
    )


FRAMEWORKS: dict[str, Callable[[Run], Result]] = {
    "hugging_face_padded": lambda run: hugging_face("padded", run),
    "hugging_face_dynamic": lambda run: hugging_face("dynamic", run),
    "bert_tf": finetune_and_predict,
}


def compare(task: str, folder: Path, progress: Any) -> dict[str, list[Result]]:
    """Runs all frameworks with all seeds.

    Args:
        task: of `finetuning_data.TASKS`.
        folder: for data, and what runs write.
        progress: is told of each run.

    Returns:
        framework -> a result a seed.
    """
    model_dir = _model_dir()
    train_file, eval_file = finetuning_data.prepare(
        task,
        Path(str(_DATA_DIR.value)),
        folder / "data",
        train_examples=_TRAIN_EXAMPLES.value,
        eval_examples=_EVAL_EXAMPLES.value,
        model_dir=model_dir,
    )
    results: dict[str, list[Result]] = {name: [] for name in _FRAMEWORKS.value}
    for seed in map(int, _SEEDS.value):
        for name in _FRAMEWORKS.value:
            if name in _FIRST_SEED_ONLY and results[name]:
                continue
            progress.set_description(f"{task}, {name}, seed {seed}")
            run = Run(
                task=task,
                train_file=str(train_file),
                eval_file=str(eval_file),
                model_dir=str(model_dir),
                output_dir=str(folder / f"{name}-{seed}"),
                seed=seed,
                max_seq_length=finetuning_data.MAX_SEQ_LENGTH[task],
                batch_size=_BATCH_SIZE.value,
                num_epochs=_EPOCHS.value,
                learning_rate=_LEARNING_RATE.value,
                precision=_PRECISION.value,
            )
            result = FRAMEWORKS[name](run)
            results[name].append(result)
            progress.update()
            score = f"{HEADLINE[task]} {result.metrics[HEADLINE[task]]:.4f}"
            speed = f"{result.train_examples_per_second:.1f} examples/s"
            progress.write(f"{task}, {name}, seed {seed}: {score}, {speed}")
    return results


def table(task: str, results: dict[str, list[Result]]) -> list[str]:
    """Returns a row a framework, with ratios to the first one's speed."""
    rows = []
    speeds = {
        name: {
            "trained": _median([r.train_examples_per_second for r in runs]),
            "predicted": _median([r.predict_examples_per_second for r in runs]),
        }
        for name, runs in results.items()
    }
    first = next(iter(speeds.values()))
    for name, runs in results.items():
        scores = [run.metrics[HEADLINE[task]] for run in runs]
        spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        own = speeds[name]
        cells = [
            task,
            name,
            f"{HEADLINE[task]} {statistics.mean(scores):.4f}{spread} ({len(runs)})",
            f"{statistics.median(run.train_seconds for run in runs):.1f}",
            _number(own["trained"]),
            _ratio(own["trained"], first["trained"]),
            f"{statistics.median(run.total_seconds for run in runs):.1f}",
            _number(own["predicted"]),
            _ratio(own["predicted"], first["predicted"]),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _median(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.median(numbers) if numbers else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _ratio(value: float | None, base: float | None) -> str:
    return "" if value is None or base is None else f"{value / base:.2f}"


def _model_dir() -> Path:
    folder = Path(_MODEL_DIR.value or Path(str(_DATA_DIR.value), "minilm"))
    if not (folder / "tokenizer.json").is_file():
        raise InputError(
            f"{folder / 'tokenizer.json'}: no such file. --model_dir must be a Hugging "
            "Face folder."
        )
    return folder


def main(argv: Sequence[str]) -> None:
    """Runs the benchmark and prints its table."""
    del argv
    for flag, known in (
        (_TASKS, finetuning_data.TASKS),
        (_FRAMEWORKS, tuple(FRAMEWORKS)),
    ):
        if unknown := sorted(set(flag.value) - set(known)):
            raise InputError(
                f"--{flag.name} must be of {', '.join(known)}. Received: {unknown[0]!r}"
            )
    rows: list[str] = []
    results = {}
    total = len(_TASKS.value) * sum(
        1 if name in _FIRST_SEED_ONLY else len(_SEEDS.value)
        for name in _FRAMEWORKS.value
    )
    with tempfile.TemporaryDirectory() as folder, tqdm(total=total) as progress:
        for task in _TASKS.value:
            results[task] = compare(task, Path(folder) / task, progress)
            rows += table(task, results[task])
    scored = f"at most {_EVAL_EXAMPLES.value}" if _EVAL_EXAMPLES.value else "all"
    print(
        f"{_TRAIN_EXAMPLES.value or 'all'} examples, {_EPOCHS.value} epochs, batch "
        f"{_BATCH_SIZE.value}, learning rate {_LEARNING_RATE.value}, "
        f"{_PRECISION.value}; scored on {scored}\n\n"
        "| task | framework | score (seeds) | training s | examples/s | ratio "
        "| total s | predicted/s | ratio |\n|---|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(rows))
    if _OUTPUT_FILE.value:
        as_json = {
            task: {
                name: [dataclasses.asdict(r) for r in runs] for name, runs in by.items()
            }
            for task, by in results.items()
        }
        path = Path(_OUTPUT_FILE.value)
        write_json(path, as_json)
        print(f"Wrote {path}.")


def cli() -> None:
    """Starts the job."""
    jobs.run(main, required=["data_dir"])


if __name__ == "__main__":
    cli()
