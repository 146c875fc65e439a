"""The configuration of a run: how to train, and on what.

Kept free of TensorFlow, and under the rules that `bert_tf.config` states.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from bert_tf.compression.distillation_config import PretrainingDistillationConfig
from bert_tf.config import (
    BertConfig,
    DataConfig,
    OptimizerConfig,
    operational,
)
from bert_tf.errors import InputError, check, validated
from bert_tf.storage.json_files import flatten, format_json, from_dict, read_json


@dataclasses.dataclass
class RunConfig:
    """What every kind of training shares: machine, numbers, intervals.

    Attributes:
        seed: of the initial weights, the order of examples and dropout.
        precision: what layers compute in: `float32`, `bfloat16` or `float16` (with loss
            scaling). Variables are float32 always.
        strategy: `default` (one device), `mirrored` (the devices of this machine),
            `multi_worker` (of several, see `--cluster`) or `tpu`.
        accumulation_steps: micro-batches a step; each replica's share of the batch is
            cut into so many, one after the other in memory.
        steps_per_call: steps inside one call of TensorFlow; progress, SIGTERM and
            checkpoints wait for its end.
        jit_compile: whether XLA compiles the step: `on`, `off`, or `auto` for on with a
            GPU or TPU and off with a CPU, where it takes more memory and is no faster
            than the fused operations, which are compiled anyway.
        rematerialize: whether the backward pass computes each block a second time
            instead of keeping all of it: less memory for another forward pass
            (BERT-mini: 1.53 GB in place of 1.70, 1.18 times the time).
        log_interval: steps between lines of `metrics.jsonl`.
        eval_interval: steps between held-out evaluations; 0 for one at the end of each
            phase.
        eval_examples: how many held-out examples an evaluation takes, the first ones
            of records, otherwise drawn at random; 0 for all.
        checkpoint_interval: steps between checkpoints.
        keep_checkpoints: how many of the newest stay; the best one always does.
        early_stopping_evaluations: ends a phase after so many evaluations that were no
            better than its best; 0 for never.
        init_from: a checkpoint whose weights the run starts from, in any format that
            `bert_tf.convert_checkpoint` reads; empty for random weights.
        profile_step: the step at which the profiler records one call; -1 for none.
    """

    seed: int = 12345
    precision: str = "float32"
    strategy: str = operational("default")
    accumulation_steps: int = operational(1)
    steps_per_call: int = operational(10)
    jit_compile: str = operational("auto")
    rematerialize: bool = operational(False)
    log_interval: int = operational(100)
    eval_interval: int = 0
    eval_examples: int = 0
    checkpoint_interval: int = operational(1000)
    keep_checkpoints: int = operational(3)
    early_stopping_evaluations: int = 0
    init_from: str = ""
    profile_step: int = operational(-1)

    def to_dict(self) -> dict[str, Any]:
        """Returns what a workdir keeps of it: its fields, nested ones too, by name."""
        return dataclasses.asdict(self)

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name, options in (
            ("precision", ("float32", "bfloat16", "float16")),
            ("strategy", ("default", "mirrored", "multi_worker", "tpu")),
            ("jit_compile", ("auto", "on", "off")),
        ):
            check(self, name, getattr(self, name) in options, f"one of {options}")
        for name in (
            "accumulation_steps",
            "steps_per_call",
            "log_interval",
            "checkpoint_interval",
            "keep_checkpoints",
        ):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("seed", "eval_interval", "eval_examples"):
            check(self, name, getattr(self, name) >= 0, "at least 0")
        stop = self.early_stopping_evaluations
        check(
            self,
            "early_stopping_evaluations",
            stop >= 0 and (stop == 0 or self.eval_interval > 0),
            "0, or positive with an `eval_interval`",
        )
        return self


@dataclasses.dataclass
class PhaseConfig:
    """A part of pretraining with data of its own.

    Attributes:
        data: its records and batch.
        num_train_steps: its steps.
        optimizer: its optimizer settings, whose schedule starts anew with the phase;
            None to go on with the schedule of the phase before.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    num_train_steps: int = 100_000
    optimizer: OptimizerConfig | None = None

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "num_train_steps", self.num_train_steps >= 1, "at least 1")
        self.data.validate()
        if self.optimizer is not None:
            self.optimizer.validate()
        return self


@dataclasses.dataclass
class PretrainingConfig(RunConfig):
    """One pretraining run, in one phase or two.

    Attributes:
        model: the shape of the model; a `vocab_size` of 0 means the data's.
        data: the records of the first phase.
        optimizer: the optimizer of the first phase.
        num_train_steps: steps of the first phase.
        phase_2: what follows it, usually longer sequences; None for nothing.
        distillation: the teacher to learn from beside the records; off by default.
    """

    model: BertConfig = dataclasses.field(default_factory=BertConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    num_train_steps: int = 1_000_000
    phase_2: PhaseConfig | None = None
    distillation: PretrainingDistillationConfig = dataclasses.field(
        default_factory=PretrainingDistillationConfig
    )

    @property
    def phases(self) -> list[PhaseConfig]:
        """The phases in order, the first one included."""
        first = PhaseConfig(self.data, self.num_train_steps, self.optimizer)
        return [first] if self.phase_2 is None else [first, self.phase_2]

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        self.distillation.validate()
        # Of the first phase, which has no object of its own.
        check(self, "num_train_steps", self.num_train_steps >= 1, "at least 1")
        # The data say it later: `vocab_size` 0 stands for any until then.
        vocab_size = self.model.vocab_size or 1
        dataclasses.replace(self.model, vocab_size=vocab_size).validate()
        for phase in self.phases:
            phase.validate()
            length = phase.data.max_seq_length
            positions = self.model.max_position_embeddings
            check(phase.data, "max_seq_length", length <= positions, f"<= {positions}")
            for name in ("global_batch_size", "initial_batch_size"):
                size = getattr(phase.data, name)
                count = self.accumulation_steps if name[0] == "g" else 1
                check(phase.data, name, size % count == 0, f"a multiple of {count}")
            fits = self.strategy != "tpu" or not phase.data.pack_examples
            check(phase.data, "pack_examples", fits, "False on TPUs: shapes vary")
        return self

    @classmethod
    def from_json_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads the `config.json` of a workdir.

        Raises:
            InputError: not JSON, an unknown field, or a value of another type or range.
        """
        config: Self = from_dict(cls, read_json(path), source=str(path))
        try:
            return validated(config, f"{path}: ")
        except InputError as error:
            # Fields that contradict each other are named as flags: say where they are.
            named = str(error).startswith(str(path))
            raise InputError(str(error) if named else f"{path}: {error}") from error


def to_json(config: RunConfig) -> str:
    """Returns a configuration as indented JSON, in the order of its fields."""
    return format_json(config.to_dict())


def check_same_run(config: RunConfig, path: Path) -> None:
    """Refuses a workdir whose run would compute other numbers than `config`.

    Folders of data are not compared here: `same_data` looks at what is in them.

    Args:
        config: what the command asks for.
        path: the `config.json` of the workdir, perhaps of an earlier version: a field
            it lacks has its default value.

    Raises:
        InputError: names the first field that differs, with both values.
    """
    ours = flatten(config.to_dict())
    saved = read_json(path)
    defaults = flatten(_with_defaults(config, saved).to_dict())
    theirs = flatten(saved)
    operational = _operational_fields(config)
    for name in sorted({*ours, *theirs} - operational):
        # As JSON has it: a tuple is a list there.
        now = json.loads(json.dumps(ours.get(name)))
        before = theirs.get(name, defaults.get(name))
        if now != json.loads(json.dumps(before)):
            raise InputError(
                f"{path.parent}: holds another run: its `{name}` is {before!r}. "
                f"Received: {now!r}. Continue that run with its own configuration, or "
                "choose another --workdir."
            )


def _with_defaults(config: Any, saved: Mapping[str, Any]) -> Any:
    """Returns a configuration with the saved one's parts, all at their defaults."""
    parts = {
        field.name: _with_defaults(getattr(config, field.name), saved[field.name])
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, field.name))
        and isinstance(saved.get(field.name), Mapping)
    }
    return dataclasses.replace(type(config)(), **parts)


def _operational_fields(config: Any, prefix: str = "") -> set[str]:
    """Returns the dotted names of fields that decide none of a run's numbers."""
    names: set[str] = set()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata.get("operational"):
            names.add(prefix + field.name)
        elif dataclasses.is_dataclass(value):
            names |= _operational_fields(value, f"{prefix}{field.name}.")
    return names
