r"""Raw text to a served and a mobile model: every job once, on the bundled corpus.

Example:
    python -m benchmarks.demo --output_dir=build/demo

`make demo` runs this. Each job is echoed as the command that a user would type. Steps
whose output is there are not run again; an interrupted training goes on; after a change
of configs/demo.py, `make clean-demo` comes first. The results stand in `summary.json`
and `summary.md`.
"""

import contextlib
import dataclasses
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import demo_summary
from bert_tf.cli import jobs
from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import read_json, write_json

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "build/demo", "Where everything goes; about 100 MB."
)

ROOT = Path(__file__).parent.parent
_NEW_LINE = " \\\n    "
CONFIG = "configs/demo.py"
CORPUS = "benchmarks/data/state_of_the_union.txt.gz"
SENTENCES = (
    "The state of the [MASK] is strong.",
    "I ask the [MASK] to act on this program this year.",
    "We must work for [MASK] and freedom in the world.",
    "The American [MASK] want a better life for their children.",
)


@dataclasses.dataclass(frozen=True)
class Step:
    """A job of the demo.

    Attributes:
        title: what it does.
        module: the job.
        arguments: its flags, `--name=value`.
        outputs: what is there when it is done; each appears whole or not at all.
        config: the file below `ROOT` that holds its settings; None for flags alone.
    """

    title: str
    module: str
    arguments: list[str]
    outputs: list[Path]
    config: str | None = None

    def command(self, separator: str = " ") -> str:
        """Returns the command that a user would type, its flags set apart."""
        typed = [f"python -m {self.module}"]
        for argument in self.arguments:
            name, _, value = argument.partition("=")
            typed.append(f"{name}={shlex.quote(value)}")
        return separator.join(typed)

    def config_hash(self) -> str | None:
        """Returns the SHA-256 of the configuration file as it is now."""
        if self.config is None:
            return None
        return hashlib.sha256((ROOT / self.config).read_bytes()).hexdigest()


def steps(layout: demo_summary.Layout) -> list[Step]:
    """Returns the jobs in order.

    Args:
        layout: where their outputs go.
    """
    checkpoint = f"--checkpoint={layout.workdir}"
    texts = [f"--text={sentence}" for sentence in SENTENCES]
    tflite = [
        Step(
            f"TFLite, {name}",
            "export.export_tflite",
            [checkpoint, f"--output_file={path}", f"--quantization={quantization}"],
            [path],
        )
        for name, quantization, path in (
            ("float32", "none", layout.tflite_float32),
            ("int8", "dynamic_int8", layout.tflite_int8),
        )
    ]
    return [
        Step(
            "Vocabulary",
            "data_prep.create_vocabulary",
            [
                f"--input_file={CORPUS}",
                f"--output_file={layout.vocab_file}",
                "--vocab_size=4000",
            ],
            [layout.vocab_file],
        ),
        Step(
            "Records",
            "data_prep.create_pretraining_data",
            [
                f"--input_file={CORPUS}",
                f"--vocab_file={layout.vocab_file}",
                f"--output_dir={layout.train_dir}",
                f"--eval_output_dir={layout.eval_dir}",
                "--eval_fraction=0.1",
                "--max_seq_length=32",
                "--max_predictions_per_seq=5",
                "--dupe_factor=10",
                # Of five held-out documents a single short one would decide how many
                # of the pairs are random.
                "--short_seq_prob=0",
            ],
            [
                layout.train_dir / "dataset_info.json",
                layout.eval_dir / "dataset_info.json",
            ],
        ),
        Step(
            "Pretraining",
            "bert_tf.run_pretraining",
            [
                f"--config={CONFIG}",
                f"--workdir={layout.workdir}",
                f"--config.data.train_dir={layout.train_dir}",
                f"--config.data.eval_dir={layout.eval_dir}",
            ],
            [layout.workdir / "eval.json"],
            CONFIG,
        ),
        Step(
            "SavedModel",
            "export.export_saved_model",
            [checkpoint, f"--output_dir={layout.saved_model_dir}"],
            [layout.saved_model_dir / "saved_model.pb"],
        ),
        *tflite,
        Step(
            "Verification",
            "export.verify_export",
            [
                checkpoint,
                f"--eval_data={layout.eval_dir}",
                f"--saved_model_dir={layout.saved_model_dir}",
                *(f"--tflite_file={step.outputs[0]}" for step in tflite),
                *texts,
                f"--output_file={layout.verification_file}",
            ],
            [layout.verification_file],
        ),
    ]


class Journal:
    """What is known of the steps that were run: `steps.json`.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        self._path = path
        self.steps: dict[str, Any] = {}
        if path.is_file():
            self.steps = read_json(path)

    def is_done(self, step: Step) -> bool:
        """Whether the step need not run: it left its outputs and did not fail.

        Raises:
            InputError: its outputs, and those of the steps after it, come from another
                configuration file.
        """
        if any(not path.exists() for path in step.outputs):
            return False
        entry = self.steps.get(step.title)
        if entry and entry.get("config") != step.config_hash():
            raise InputError(
                f"{step.config} has changed since {self._path.parent} was made with "
                "it. Delete that folder (`make clean-demo`), or name another "
                "--output_dir."
            )
        return entry is None or (entry["done"] and entry["command"] == step.command())

    def add(self, step: Step, seconds: float, done: bool) -> None:
        """Notes an attempt; its seconds add to those of unfinished ones before."""
        entry = self.steps.get(step.title)
        if entry and not entry["done"] and entry["command"] == step.command():
            seconds += entry["seconds"]
        self.steps[step.title] = {
            "command": step.command(),
            "config": step.config_hash(),
            "seconds": round(seconds, 1),
            "done": done,
        }
        write_json(self._path, self.steps)


def run_step(step: Step, journal: Journal) -> None:
    """Runs a step as a process and notes how long it took.

    Raises:
        InputError: it failed; its own error is on stderr by then.
    """
    print(f"\n# {step.title}\n$ {step.command(_NEW_LINE)}", flush=True)
    command = [sys.executable, "-m", step.module, *step.arguments]
    process, status, start = None, None, time.monotonic()
    try:
        process = subprocess.Popen(command, cwd=ROOT)
        status = process.wait()
    except KeyboardInterrupt:
        # The job got the interrupt too; it needs a moment to clean up.
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
        raise
    finally:
        if process is not None:
            process.kill()
        journal.add(step, time.monotonic() - start, done=status == 0)
    if status:
        raise InputError(
            f'the step "{step.title}" failed with exit status {status}; its own error '
            f"stands above. To run only this step again: {step.command()}"
        )


def main(argv: Sequence[str]) -> None:
    """Runs what is not done yet and sums up."""
    os.chdir(ROOT)
    layout = demo_summary.Layout(Path(_OUTPUT_DIR.value))
    journal = Journal(layout.root / "steps.json")
    for step in steps(layout):
        if journal.is_done(step):
            print(f"# {step.title}: done before", flush=True)
        else:
            run_step(step, journal)
    summary = demo_summary.collect(layout, journal.steps)
    write_json(layout.root / "summary.json", summary)
    table = demo_summary.markdown(summary)
    files.write_text(layout.root / "summary.md", table)
    print(f"\n{table}\nThese figures: {layout.root / 'summary.json'}")


def cli() -> None:
    """Runs the demo."""
    jobs.run(main)


if __name__ == "__main__":
    cli()
