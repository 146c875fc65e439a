"""The commands that a chain runs: they make, export and measure models."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.python_config import as_python
from bert_tf.chain.stages import (
    PruneStructure,
    PruneVocabulary,
    Stage,
    TrainingStage,
)
from bert_tf.storage import files
from bert_tf.training.finetuning_config import FinetuningConfig

MEASUREMENTS = "latency.json"
"""What `export.measure_export` says of all files of a chain, in its workdir."""

Flags = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of a chain.

    Attributes:
        folder: its stage's.
        name: of its log and record in the folder.
        job: the module to run.
        flags: by name; a list is a flag given several times.
        output: the file or folder that it writes.
        run: what a training job is configured by; None for other jobs.
        makes_model: whether what it writes is too dear to be thrown away unasked.
    """

    folder: Path
    name: str
    job: str
    flags: Flags
    output: Path
    run: FinetuningConfig | None = None
    makes_model: bool = False

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.folder.name}/{self.name}"

    @property
    def arguments(self) -> list[str]:
        """The command after `python`."""
        flags = [
            f"--{name}={each}"
            for name, value in self.flags.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        return ["-m", self.job, *flags]

    @property
    def command(self) -> str:
        """The command as a user would type it."""
        return shlex.join(["python", *self.arguments])

    def write_run(self) -> None:
        """Writes the configuration file of a training job."""
        if self.run is not None:
            files.write_text(Path(self.flags["config"]), as_python(self.run))


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """A file or folder that a stage's model is exported to.

    Attributes:
        stage: name of the stage's folder.
        form: `tflite` or `saved_model`.
        quantization: of its weights, as `export.export_tflite` calls it.
        path: where it is.
    """

    stage: str
    form: str
    quantization: str
    path: Path


def make_model(
    config: CompressionConfig,
    stage: Stage,
    folder: Path,
    start: Path | str,
    teacher: str,
) -> Step:
    """Returns the command that makes a stage's model.

    Args:
        config: of the chain.
        stage: its settings.
        folder: where all of the stage goes.
        start: the model that it begins with.
        teacher: the model that it may learn from.
    """
    output = folder / "model"
    if isinstance(stage, TrainingStage):
        return Step(
            folder,
            "make",
            "bert_tf.run_finetuning",
            {"config": folder / "config.py", "workdir": output},
            output,
            run=config.training(stage, str(start), teacher),
            makes_model=True,
        )
    flags: dict[str, Any] = {
        "checkpoint": start,
        "input_file": config.data.train,
        "output_dir": output,
    }
    if isinstance(stage, PruneVocabulary):
        job = "bert_tf.prune_vocabulary"
        if config.unlabelled:
            flags["input_file"] += f",{config.unlabelled}"
        flags["min_count"] = stage.min_count
        if stage.keep_file:
            flags["keep_file"] = stage.keep_file
    else:
        assert isinstance(stage, PruneStructure)
        job = "bert_tf.prune_model"
        flags |= dataclasses.asdict(stage)
        if not stage.keep_layers:
            del flags["keep_layers"]
    return Step(folder, "make", job, flags, output, makes_model=True)


def export_tflite(
    config: CompressionConfig, folder: Path, checkpoint: Path, quantization: str
) -> tuple[Step, ExportedFile]:
    """Returns the command that writes a TFLite file, and the file."""
    path = folder / f"{quantization}.tflite"
    flags: dict[str, Any] = {
        "checkpoint": checkpoint,
        "output_file": path,
        "quantization": quantization,
    }
    if quantization == "int8":
        flags["calibration_data"] = config.data.train
    step = Step(folder, quantization, "export.export_tflite", flags, path)
    return step, ExportedFile(folder.name, "tflite", quantization, path)


def export_saved_model(folder: Path, checkpoint: Path) -> tuple[Step, ExportedFile]:
    """Returns the command that writes a SavedModel, and what it writes."""
    path = folder / "saved_model" / "1"
    flags = {"checkpoint": checkpoint, "output_dir": path}
    step = Step(folder, "saved_model", "export.export_saved_model", flags, path)
    return step, ExportedFile(folder.name, "saved_model", "none", path)


def measure_accuracy(
    config: CompressionConfig,
    folder: Path,
    checkpoint: Path,
    exported: Sequence[ExportedFile],
) -> Step:
    """Returns the command that measures a stage's files beside its model."""
    output = folder / "accuracy.json"
    flags = {
        "checkpoint": checkpoint,
        "eval_data": config.data.eval,
        **_files(exported),
        "max_examples": config.export.max_examples,
        # The frontier shows what a file loses; nothing is refused for it.
        "max_accuracy_drop": 1,
        "latency_calls": 1,
        "num_threads": config.export.num_threads,
        "output_file": output,
    }
    return Step(folder, "accuracy", "export.verify_export", flags, output)


def measure_latency(
    config: CompressionConfig, workdir: Path, exported: Sequence[ExportedFile]
) -> Step:
    """Returns the command that times all exported files side by side."""
    output = workdir / MEASUREMENTS
    flags = {
        **_files(exported),
        "max_seq_length": config.data.max_seq_length,
        "num_threads": config.export.num_threads,
        # Fewer miss a moment when a busy machine leaves the slowest file alone.
        "rounds": 8,
        "output_file": output,
    }
    return Step(workdir, "latency", "export.measure_export", flags, output)


def _files(exported: Sequence[ExportedFile]) -> dict[str, list[Path]]:
    """Returns the flags of jobs that take exported files."""
    flags: dict[str, list[Path]] = {}
    names = {"tflite": "tflite_file", "saved_model": "saved_model_dir"}
    for file in exported:
        flags.setdefault(names[file.form], []).append(file.path)
    return flags
