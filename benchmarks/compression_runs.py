"""The runs that benchmarks of compression compare: their data, and a teacher."""

import csv
import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import finetuning_data
from benchmarks.job_process import run_job
from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import resizing

CONFIGS = {
    "sentiment": "finetune_classification",
    "topics": "finetune_classification",
    "entities": "finetune_token_classification",
}
METRICS = {"sentiment": "accuracy", "topics": "accuracy", "entities": "f1"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all runs of a measurement share.

    Attributes:
        task: a key of `CONFIGS`.
        folder: takes data and runs; a run that is finished there is not done again.
        model: the checkpoint that everything starts from.
        seeds: of the runs compared.
    """

    task: str
    folder: Path
    model: Path
    seeds: Sequence[int]

    @property
    def metric(self) -> str:
        """The held-out metric compared."""
        return METRICS[self.task]

    @property
    def unlabelled(self) -> Path:
        """The examples whose labels nobody reads."""
        return next((self.folder / "data").glob("unlabelled.*"))

    def run(self, name: str, seed: int, **fields: Any) -> dict[str, Any]:
        """Trains a run to its end, or goes on with it; returns its `eval.json`.

        Args:
            name: of the run.
            seed: its seed.
            **fields: of the configuration, `__` for a dot.
        """
        workdir = self.workdir(name, seed)
        results = workdir / "eval.json"
        if not results.is_file():
            data = self.folder / "data"
            settings = {
                "data.train": next(data.glob("train.*")),
                "data.eval": next(data.glob("eval.*")),
                "data.max_seq_length": finetuning_data.MAX_SEQ_LENGTH[self.task],
                "seed": seed,
                "evaluations_per_epoch": 0.0,
                **{key.replace("__", "."): value for key, value in fields.items()},
            }
            run_job(
                "bert_tf.run_finetuning",
                f"--config=configs/{CONFIGS[self.task]}.py",
                f"--workdir={workdir}",
                *(f"--config.{key}={value}" for key, value in settings.items()),
            )
        found: dict[str, Any] = json.loads(results.read_text())
        return found

    def workdir(self, name: str, seed: int) -> Path:
        """Returns where a run is kept."""
        return self.folder / f"{name}-{seed}"

    def teacher(self) -> Path:
        """Returns the workdir of the whole model, fine-tuned."""
        self.run("teacher", 0, init_from=self.model, num_train_epochs=3.0)
        return self.workdir("teacher", 0)

    def layers_of_the_model(self, layers: Sequence[int]) -> Path:
        """Returns a model folder of some layers of the checkpoint, not fine-tuned."""
        folder = self.folder / f"layers-{'-'.join(map(str, layers))}"
        if not folder.exists():
            kept = resizing.keep_layers(conversion.load_any(self.model), layers)
            conversion.save(kept, folder, "native")
        return folder

    def scores(self, name: str, **fields: Any) -> list[float]:
        """Returns the metric of a run of each seed; see `run`."""
        return [
            float(self.run(name, seed, **fields)[self.metric]) for seed in self.seeds
        ]


def prepare(
    task: str, data_dir: Path, folder: Path, model: Path, labelled: int, seeds: int
) -> Setting:
    """Writes so many labelled examples, the rest without labels, and those held out.

    Args:
        task: a key of `CONFIGS`.
        data_dir: see `finetuning_data.prepare`.
        folder: takes data and runs.
        model: the checkpoint that everything starts from.
        labelled: how many of the training examples have labels.
        seeds: how many runs there are of each.
    """
    data = folder / "data"
    if not data.exists():
        sizes: dict[str, Any] = {"eval_examples": 0, "model_dir": model}
        everything = finetuning_data.prepare(
            task, data_dir, folder / "all", train_examples=0, **sizes
        )[0]
        finetuning_data.prepare(task, data_dir, data, train_examples=labelled, **sizes)
        _write_rest(everything, data / f"unlabelled{everything.suffix}", labelled)
    return Setting(task, folder, model, range(1, seeds + 1))


def _write_rest(everything: Path, path: Path, labelled: int) -> None:
    text = everything.read_text(encoding="utf-8")
    if everything.suffix == ".conll":
        path.write_text("\n\n".join(text.split("\n\n")[labelled:]), encoding="utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for row in list(csv.DictReader(text.splitlines(keepends=True)))[labelled:]:
            writer.writerow([row["text"]])


def describe(scores: Sequence[float]) -> str:
    """Returns mean and spread, in hundredths."""
    mean = f"{100 * statistics.fmean(scores):.2f}"
    if len(scores) == 1:
        return f"{mean} (1 seed)"
    return f"{mean} +- {100 * statistics.stdev(scores):.2f} ({len(scores)} seeds)"
