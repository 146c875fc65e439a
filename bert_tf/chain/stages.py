"""What a compression chain can do to a model. Free of TensorFlow; see `bert_tf.config`.

A stage takes the model of the stage before it and leaves another one; the last stage
says in which forms all of them are exported and measured.
"""

import dataclasses
from typing import ClassVar, Self

from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.errors import check

QUANTIZATIONS = ("none", "float16", "dynamic_int8", "int8", "int4")
"""Of `export.export_tflite`, which this package may not import."""


@dataclasses.dataclass
class Stage:
    """One stage."""

    name: ClassVar[str] = ""

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        return self


@dataclasses.dataclass
class TrainingStage(Stage):
    """A stage that trains as the chain's configuration says, but for its own fields.

    Attributes:
        num_train_epochs: in place of the chain's; 0.0 for the chain's.
        learning_rate: in place of the chain's `optimizer.learning_rate`; 0.0 for that.
    """

    num_train_epochs: float = 0.0
    learning_rate: float = 0.0

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name in ("num_train_epochs", "learning_rate"):
            check(self, name, getattr(self, name) >= 0, "at least 0")
        return super().validate()


@dataclasses.dataclass
class Finetune(TrainingStage):
    """Fine-tunes on the labelled examples: the teacher, or recovery from pruning."""

    name: ClassVar[str] = "finetune"


@dataclasses.dataclass
class Distil(TrainingStage):
    """Learns from an earlier model of the chain, on unlabelled texts too.

    The student starts from the model of the stage before: all of it, or
    `distillation.student_layers`. So a smaller model is made, or one that was pruned
    recovers.

    Attributes:
        distillation: how; an empty `teacher` is the chain's first model with the
            vocabulary that the student has, an empty `unlabelled` the chain's.
    """

    name: ClassVar[str] = "distil"

    distillation: TaskDistillationConfig = dataclasses.field(
        default_factory=TaskDistillationConfig
    )


@dataclasses.dataclass
class TrainQuantized(TrainingStage):
    """Trains with the rounding of the int8 file that is then exported.

    Without dropout, whatever the chain's. It loses least with a teacher.

    Attributes:
        quantization: how.
        distillation: a teacher meanwhile, see `Distil`; None for none.
    """

    name: ClassVar[str] = "qat"

    quantization: QuantizationConfig = dataclasses.field(
        default_factory=lambda: QuantizationConfig(export="int8")
    )
    distillation: TaskDistillationConfig | None = None

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        on = bool(self.quantization.export)
        check(self, "quantization", on, "one with an `export`, as 'int8'")
        return super().validate()


@dataclasses.dataclass
class PruneVocabulary(Stage):
    """Leaves out the vocabulary entries that the texts never use.

    Attributes:
        min_count: see `bert_tf.prune_vocabulary`.
        keep_file: likewise; empty for none.
    """

    name: ClassVar[str] = "prune_vocabulary"

    min_count: int = 1
    keep_file: str = ""

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "min_count", self.min_count >= 1, "at least 1")
        return super().validate()


@dataclasses.dataclass
class PruneStructure(Stage):
    """Leaves out the least important layers, attention heads and neurons.

    Training after it brings back most of what that loses.

    Attributes:
        keep_layers: how many layers stay; 0 for all.
        keep_heads: the share of these layers' attention heads that stays.
        keep_neurons: the share of their feed-forward neurons that stays.
        uniform: whether each layer keeps as many.
        max_examples: importance is measured on so many of `data.train`, drawn at
            random; 0 for all.
    """

    name: ClassVar[str] = "prune_structure"

    keep_layers: int = 0
    keep_heads: float = 1.0
    keep_neurons: float = 1.0
    uniform: bool = False
    max_examples: int = 2000

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "keep_layers", self.keep_layers >= 0, "at least 0")
        for name in ("keep_heads", "keep_neurons"):
            check(self, name, 0 < getattr(self, name) <= 1, "in (0, 1]")
        check(self, "max_examples", self.max_examples >= 0, "at least 0")
        all_stay = not self.keep_layers and self.keep_heads == self.keep_neurons == 1
        wanted = "less than 1, or another share so, or `keep_layers` positive"
        check(self, "keep_neurons", not all_stay, wanted)
        return super().validate()


@dataclasses.dataclass
class Export(Stage):
    """Exports the model of every stage, and measures the files.

    That of `TrainQuantized` is exported as what it was trained for.

    Attributes:
        tflite: quantizations of TFLite files; see `export.export_tflite`.
        saved_model: whether there is a SavedModel too.
        max_examples: how many held-out examples accuracy is measured on, drawn at
            random.
        num_threads: threads that latency is measured with.
    """

    name: ClassVar[str] = "export"

    tflite: tuple[str, ...] = ("none", "dynamic_int8")
    saved_model: bool = False
    max_examples: int = 2000
    num_threads: int = 2

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        known = set(self.tflite) <= set(QUANTIZATIONS)
        different = len(set(self.tflite)) == len(self.tflite)
        some = bool(self.tflite) or self.saved_model
        wanted = f"different ones of {QUANTIZATIONS}, at least one or a `saved_model`"
        check(self, "tflite", known and different and some, wanted)
        for name in ("max_examples", "num_threads"):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        return super().validate()
