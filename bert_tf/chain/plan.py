"""What a chain runs: for each stage the commands that make, export and measure it."""

import dataclasses
import pprint
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import (
    PruneStructure,
    PruneVocabulary,
    Stage,
    TrainingStage,
    TrainQuantized,
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


@dataclasses.dataclass(frozen=True)
class StagePlan:
    """What is run for one stage.

    Attributes:
        stage: its settings.
        folder: where all of it goes.
        make: the command that makes the model.
        exports: the commands that write files, and the files.
        accuracy: the command that measures their accuracy.
    """

    stage: Stage
    folder: Path
    make: Step
    exports: Sequence[tuple[Step, ExportedFile]]
    accuracy: Step

    @property
    def steps(self) -> list[Step]:
        """All commands in order."""
        return [self.make, *(step for step, _ in self.exports), self.accuracy]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is run for a chain.

    Attributes:
        stages: in order.
        latency: the command that times all exported files side by side.
    """

    stages: Sequence[StagePlan]
    latency: Step

    @property
    def files(self) -> list[ExportedFile]:
        """All exported files, in order."""
        return [file for stage in self.stages for _, file in stage.exports]

    @property
    def steps(self) -> Iterator[Step]:
        """All commands in order."""
        for stage in self.stages:
            yield from stage.steps
        yield self.latency


def make_plan(config: CompressionConfig, workdir: Path) -> Plan:
    """Returns what a chain runs.

    Args:
        config: validated.
        workdir: where everything goes.
    """
    stages: list[StagePlan] = []
    for number, stage in enumerate(config.making, start=1):
        folder = workdir / f"{number}_{stage.name}"
        # By the index of their stage; the last one, -1, is what the chain starts from.
        models: list[Path | str] = [each.make.output for each in stages]
        models.append(config.init_from)
        teacher = models[config.teaching(number - 1)]
        make = _make(config, stage, folder, models[number - 2], str(teacher))
        # A model that was trained for a rounding is exported as that alone.
        quantized = isinstance(stage, TrainQuantized)
        exports = [
            _export_tflite(config, folder, make.output, each)
            for each in (("int8",) if quantized else config.export.tflite)
        ]
        if config.export.saved_model and not quantized:
            exports.append(_export_saved_model(folder, make.output))
        exported = [file for _, file in exports]
        accuracy = _measure_accuracy(config, folder, make.output, exported)
        stages.append(StagePlan(stage, folder, make, exports, accuracy))
    every = [file for stage in stages for _, file in stage.exports]
    return Plan(stages, _measure_latency(config, workdir, every))


def _make(
    config: CompressionConfig,
    stage: Stage,
    folder: Path,
    start: Path | str,
    teacher: str,
) -> Step:
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


def _export_tflite(
    config: CompressionConfig, folder: Path, checkpoint: Path, quantization: str
) -> tuple[Step, ExportedFile]:
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


def _export_saved_model(folder: Path, checkpoint: Path) -> tuple[Step, ExportedFile]:
    path = folder / "saved_model" / "1"
    flags = {"checkpoint": checkpoint, "output_dir": path}
    step = Step(folder, "saved_model", "export.export_saved_model", flags, path)
    return step, ExportedFile(folder.name, "saved_model", "none", path)


def _measure_accuracy(
    config: CompressionConfig,
    folder: Path,
    checkpoint: Path,
    exported: Sequence[ExportedFile],
) -> Step:
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


def _measure_latency(
    config: CompressionConfig, workdir: Path, exported: Sequence[ExportedFile]
) -> Step:
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


def as_python(run: FinetuningConfig) -> str:
    """Returns a configuration file whose `get_config` returns `run`.

    A dataclass's `repr` is the expression that makes it.
    """
    kinds = {(type(value).__module__, type(value).__name__) for value in _parts(run)}
    imports = [f"from {module} import {name}" for module, name in sorted(kinds)]
    expression = pprint.pformat(run, width=80, sort_dicts=False)
    lines = [
        '"""Written by bert_tf.run_compression, which this is a stage of."""',
        "",
        *imports,
        "",
        "",
        f"def get_config() -> {type(run).__name__}:",
        '    """Returns the configuration."""',
        f"    return {expression}".replace("\n", "\n    "),
    ]
    return "\n".join(lines) + "\n"


def _parts(value: Any) -> Iterator[Any]:
    yield value
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if dataclasses.is_dataclass(part):
            yield from _parts(part)
