"""What a chain runs: for each stage the commands that make, export and measure it."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from bert_tf.chain.commands import (
    ExportedFile,
    Step,
    export_saved_model,
    export_tflite,
    make_model,
    measure_accuracy,
    measure_latency,
)
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import Stage, TrainQuantized


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
        make = make_model(config, stage, folder, models[number - 2], str(teacher))
        # A model that was trained for a rounding is exported as that alone.
        quantized = isinstance(stage, TrainQuantized)
        exports = [
            export_tflite(config, folder, make.output, each)
            for each in (("int8",) if quantized else config.export.tflite)
        ]
        if config.export.saved_model and not quantized:
            exports.append(export_saved_model(folder, make.output))
        exported = [file for _, file in exports]
        accuracy = measure_accuracy(config, folder, make.output, exported)
        stages.append(StagePlan(stage, folder, make, exports, accuracy))
    every = [file for stage in stages for _, file in stage.exports]
    return Plan(stages, measure_latency(config, workdir, every))
