"""The configuration of a fine-tuning run. Free of TensorFlow; see `bert_tf.config`."""

import dataclasses
from typing import Self

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
        check(self, "max_seq_length", self.max_seq_length >= 5, "at least 5")
        self.reading.validate()
        return self


@dataclasses.dataclass
class FinetuningConfig(RunConfig):
    """One fine-tuning run.

    The shape of the model is that of `init_from`.

    Attributes:
        task: what is learned, and its settings.
        data: the examples.
        optimizer: the optimiser.
        num_train_epochs: how often every training example is seen.
        evaluations_per_epoch: held-out evaluations an epoch, where `eval_interval` is
            0; the run ends with one in any case.
        hidden_dropout_prob: in place of the model's; -1.0 for the model's.
        classifier_dropout: share of the head's inputs dropped; -1.0 for
            `hidden_dropout_prob`.
    """

    task: TaskSettings = dataclasses.field(default_factory=ClassificationSettings)
    data: LabelledDataConfig = dataclasses.field(default_factory=LabelledDataConfig)
    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1
        )
    )
    num_train_epochs: float = 3.0
    evaluations_per_epoch: float = 1.0
    hidden_dropout_prob: float = -1.0
    classifier_dropout: float = -1.0
    log_interval: int = operational(20)
    checkpoint_interval: int = operational(500)
    keep_checkpoints: int = operational(1)

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        self.task.validate()
        self.data.validate()
        self.optimizer.validate()
        check(self, "num_train_epochs", self.num_train_epochs > 0, "positive")
        often = self.evaluations_per_epoch
        check(self, "evaluations_per_epoch", often >= 0, "at least 0")
        for name in ("hidden_dropout_prob", "classifier_dropout"):
            value = getattr(self, name)
            check(self, name, value == -1.0 or 0 <= value < 1, "in [0, 1), or -1.0")
        if not self.init_from:
            raise InputError(
                "`init_from` must name a checkpoint to start from: a workdir of ours, "
                "or whatever `python -m bert_tf.convert_checkpoint` reads. Set it with "
                "--config.init_from=PATH"
            )
        return self
