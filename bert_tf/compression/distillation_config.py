"""How a student learns from a teacher. Free of TensorFlow; see `bert_tf.config`."""

import dataclasses
from typing import Any, Self

from bert_tf.config import check, operational
from bert_tf.errors import InputError

_WEIGHTS = (
    "hard_weight",
    "soft_weight",
    "hidden_weight",
    "cosine_weight",
    "attention_weight",
    "relation_weight",
)


@dataclasses.dataclass
class DistillationConfig:
    """Which teacher, what of it the student learns, and how the student starts.

    Layers are the encoder's, counted from 0. The loss is the sum of what is compared,
    each times its weight; a weight of 0 leaves it out.

    Attributes:
        teacher: a workdir or checkpoint, in any format that is read; empty for no
            distillation.
        temperature: divides the logits of both before soft labels are compared.
        hard_weight: of the task's own loss.
        soft_weight: of the soft labels.
        hidden_weight: of the squared differences of embeddings and hidden states, layer
            by layer; widths that differ meet through a learned projection.
        cosine_weight: of the angle between the last hidden states.
        attention_weight: of the squared differences of attention scores, layer by
            layer, before their softmax; student and teacher need as many heads.
        relation_weight: of the relations of queries, of keys and of values among
            themselves, of the student's last layer and `relation_layer`.
        layer_map: the teacher's layer that each of the student's learns from; empty to
            spread them evenly, the last from the last.
        relation_layer: the teacher's; -1 for its last.
        relation_heads: into how many heads the widths are cut to compare relations; 0
            for the teacher's own number.
        student_layers: those of `init_from` that the student starts from, or of the
            teacher where `init_from` is empty; empty for all.
    """

    teacher: str = operational("")
    temperature: float = 2.0
    hard_weight: float = 0.5
    soft_weight: float = 0.5
    hidden_weight: float = 0.0
    cosine_weight: float = 0.0
    attention_weight: float = 0.0
    relation_weight: float = 0.0
    layer_map: tuple[int, ...] = ()
    relation_layer: int = -1
    relation_heads: int = 0
    student_layers: tuple[int, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether there is a teacher."""
        return bool(self.teacher)

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "temperature", self.temperature > 0, "positive")
        for name in _WEIGHTS:
            check(self, name, getattr(self, name) >= 0, "at least 0")
        if not any(getattr(self, name) for name in _WEIGHTS):
            raise InputError(
                f"`distillation`: one of {', '.join(_WEIGHTS)} must be positive; there "
                "is nothing to learn. Received: 0 for all of them"
            )
        for name in ("layer_map", "student_layers"):
            layers = getattr(self, name)
            fits = all(type(layer) is int and layer >= 0 for layer in layers)
            check(self, name, fits, "layers, counted from 0")
        check(self, "relation_layer", self.relation_layer >= -1, "at least 0, or -1")
        check(self, "relation_heads", self.relation_heads >= 0, "at least 0")
        if not self.is_on:
            self._check_off()
        return self

    def _check_off(self) -> None:
        """Raises an InputError over settings that mean nothing without a teacher."""
        for field in dataclasses.fields(self):
            value: Any = getattr(self, field.name)
            if value != field.default:
                raise InputError(
                    f"`distillation.{field.name}` is set without a teacher. Name one "
                    "with --config.distillation.teacher=WORKDIR. Received: "
                    f"{value!r}"
                )


@dataclasses.dataclass
class TaskDistillationConfig(DistillationConfig):
    """Distillation while fine-tuning.

    Attributes:
        student_config: the shape of a student that starts at random: a
            `bert_config.json`, or one of the released sizes, for instance `mini`.
        unlabelled: files of further examples, read as those to train on but without
            labels: paths, folders and globs, comma separated. They have no loss of the
            task's own.
        cache_dir: folder that keeps what the teacher says and sees of each training
            example, computed once before training; empty to compute it in each step.
    """

    student_config: str = ""
    unlabelled: str = operational("")
    cache_dir: str = operational("")

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        if self.student_layers and self.student_config:
            raise InputError(
                "`distillation.student_layers` and `student_config` exclude each "
                "other: a student starts from layers or at random. Received: "
                f"{self.student_layers} and {self.student_config!r}"
            )
        return self


@dataclasses.dataclass
class PretrainingDistillationConfig(DistillationConfig):
    """Distillation while pretraining, weighted as DistilBERT's.

    The task's own losses are those of pretraining, and soft labels those of the masked
    tokens. A student that starts from no layers and no `init_from` starts at random.

    Source: Sanh et al. 2019 (arXiv:1910.01108), section 3; weights and temperature:
    the code that came with it.
    """

    hard_weight: float = 2.0
    soft_weight: float = 5.0
    cosine_weight: float = 1.0
