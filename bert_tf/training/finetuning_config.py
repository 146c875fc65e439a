"""The configuration of a fine-tuning run. Free of TensorFlow; see `bert_tf.config`."""

import dataclasses
import itertools
from typing import Any, Self

from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import BatchConfig, OptimizerConfig, check, operational
from bert_tf.errors import InputError
from bert_tf.labelled.options import ReadOptions
from bert_tf.tasks.settings import ClassificationSettings, TaskSettings
from bert_tf.training.config import RunConfig


@dataclasses.dataclass
class LabelledDataConfig(BatchConfig):
    """Which labelled examples a run learns from, and how they are batched.

    Attributes:
        train: files to train on: paths, folders and globs, comma separated.
        eval: files to evaluate on; empty to hold out a share of `train`.
        eval_share: the share of `train` that is held out where `eval` is empty; 0 for
            no evaluation.
        max_examples: trains on so many of the examples, drawn at random; 0 for all.
        seed: Seed of both draws; -1 for the run's. Runs of different seeds that have
            the same one here differ in training alone.
        reading: columns and formats of the files; found by themselves as far as
            possible.
        max_seq_length: most tokens of a sequence, [CLS] and [SEP] included; what is
            longer is cut.
        cache_dir: folder that keeps what was tokenized; `none` for no such folder,
            empty for one in the user's cache.
    """

    train: str = operational("")
    eval: str = operational("")
    eval_share: float = 0.1
    max_examples: int = 0
    seed: int = -1
    reading: ReadOptions = dataclasses.field(default_factory=ReadOptions)
    max_seq_length: int = 128
    cache_dir: str = operational("")
    global_batch_size: int = 32
    pack_examples: bool = True

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        if not self.train:
            raise InputError(
                "`data.train` must name files of labelled examples. Set it with "
                "--config.data.train=FILE"
            )
        check(self, "eval_share", 0 <= self.eval_share < 1, "in [0, 1)")
        check(self, "max_examples", self.max_examples >= 0, "at least 0")
        check(self, "seed", self.seed >= -1, "at least 0, or -1 for the run's")
        check(self, "max_seq_length", self.max_seq_length >= 5, "at least 5")
        self.reading.validate()
        return self


@dataclasses.dataclass
class SweepConfig:
    """Values to try, each with each of the other field.

    Attributes:
        learning_rates: in place of `optimizer.learning_rate`; empty for that one.
        num_train_epochs: in place of `num_train_epochs`; empty for that one.
    """

    learning_rates: tuple[float, ...] = ()
    num_train_epochs: tuple[float, ...] = ()

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name in ("learning_rates", "num_train_epochs"):
            values = getattr(self, name)
            numbers = all(type(value) in (int, float) for value in values)
            fits = numbers and min(values, default=1) > 0
            check(
                self,
                name,
                fits and len({*values}) == len(values),
                "different positive numbers, or empty",
            )
        return self


@dataclasses.dataclass
class FinetuningConfig(RunConfig):
    """One fine-tuning run.

    The shape of the model is that of `init_from`, or of the student.

    Attributes:
        task: what is learned, and its settings.
        distillation: the teacher to learn from beside the examples; off by default.
        data: the examples.
        optimizer: the optimizer.
        num_train_epochs: how often every training example is seen.
        num_seeds: how many runs there are of each setting, with the seeds from `seed`
            on and the same held-out examples.
        sweep: settings to compare on the held-out examples.
        evaluations_per_epoch: held-out evaluations an epoch, where `eval_interval` is
            0; the run ends with one in any case.
        hidden_dropout_prob: in place of the model's, which then keeps it; -1.0 for the
            model's.
        classifier_dropout: share of the head's inputs dropped; -1.0 for
            `hidden_dropout_prob`.
        pruning: whether weights become zeros meanwhile.
        quantization: whether the model learns to be exported in int8.
    """

    task: TaskSettings = dataclasses.field(default_factory=ClassificationSettings)
    distillation: TaskDistillationConfig = dataclasses.field(
        default_factory=TaskDistillationConfig
    )
    data: LabelledDataConfig = dataclasses.field(default_factory=LabelledDataConfig)
    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        )
    )
    num_train_epochs: float = 3.0
    num_seeds: int = 1
    sweep: SweepConfig = dataclasses.field(default_factory=SweepConfig)
    evaluations_per_epoch: float = 1.0
    hidden_dropout_prob: float = -1.0
    classifier_dropout: float = -1.0
    pruning: PruningConfig = dataclasses.field(default_factory=PruningConfig)
    quantization: QuantizationConfig = dataclasses.field(
        default_factory=QuantizationConfig
    )
    log_interval: int = operational(20)
    checkpoint_interval: int = operational(500)
    keep_checkpoints: int = operational(1)

    @property
    def has_several_runs(self) -> bool:
        """Whether this describes runs to compare, and not a single one."""
        return self != self.single()

    @property
    def data_seed(self) -> int:
        """Seed of what is held out and of what `data.max_examples` leaves."""
        return self.seed if self.data.seed == -1 else self.data.seed

    def single(self) -> Self:
        """Returns the configuration without what makes several runs of it."""
        return dataclasses.replace(self, num_seeds=1, sweep=SweepConfig())

    def runs(self) -> list[Self]:
        """Returns the configuration of each run: settings in order, seeds in each."""
        seeds = range(self.seed, self.seed + self.num_seeds)
        rates = self.sweep.learning_rates or (self.optimizer.learning_rate,)
        epochs = self.sweep.num_train_epochs or (self.num_train_epochs,)
        data = dataclasses.replace(self.data, seed=self.data_seed)
        return [
            dataclasses.replace(
                self.single(),
                seed=seed,
                num_train_epochs=float(count),
                optimizer=dataclasses.replace(
                    self.optimizer, learning_rate=float(rate)
                ),
                data=data,
            )
            for rate, count, seed in itertools.product(rates, epochs, seeds)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns what a workdir keeps of it; see `RunConfig`."""
        values = super().to_dict()
        # Tasks may have the same fields: the name tells them apart.
        values["task"] = {"name": self.task.name, **values["task"]}
        return values

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        self.task.validate()
        self.data.validate()
        self.optimizer.validate()
        self.pruning.validate()
        check(self, "num_train_epochs", self.num_train_epochs > 0, "positive")
        check(self, "num_seeds", self.num_seeds >= 1, "at least 1")
        self.sweep.validate()
        self.quantization.validate().check_run(self.task.name, self.precision)
        if self.has_several_runs and not (self.data.eval or self.data.eval_share):
            raise InputError(
                "`num_seeds` and `sweep` compare runs on held-out examples, and there "
                "are none. Set --config.data.eval or --config.data.eval_share."
            )
        if self.has_several_runs and self.strategy == "multi_worker":
            raise InputError(
                "`num_seeds` and `sweep` train one run after the other in a process, "
                "which `strategy` 'multi_worker' cannot. Give each run a workdir of "
                "its own, with --config.seed and the same --config.data.seed."
            )
        often = self.evaluations_per_epoch
        check(self, "evaluations_per_epoch", often >= 0, "at least 0")
        for name in ("hidden_dropout_prob", "classifier_dropout"):
            value = getattr(self, name)
            check(self, name, value == -1.0 or 0 <= value < 1, "in [0, 1), or -1.0")
        self.distillation.validate()
        if self.distillation.student_config and self.init_from:
            raise InputError(
                "`distillation.student_config` is the shape of a student that starts "
                "at random. Leave it out, or --config.init_from. Received: "
                f"{self.distillation.student_config!r} and {self.init_from!r}"
            )
        if not self.init_from and not self.distillation.is_on:
            raise InputError(
                "`init_from` must name a checkpoint to start from: a workdir of ours, "
                "or whatever `python -m bert_tf.convert_checkpoint` reads. Set it with "
                "--config.init_from=PATH"
            )
        return self
