"""The configuration of a chain. Free of TensorFlow; see `bert_tf.config`."""

import dataclasses
from typing import Self

from bert_tf.chain.stages import (
    Distil,
    Export,
    Finetune,
    PruneVocabulary,
    Stage,
    TrainingStage,
    TrainQuantized,
)
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.config import operational
from bert_tf.errors import InputError, validated
from bert_tf.tasks.settings import WRITING_TASKS
from bert_tf.training.finetuning_config import FinetuningConfig


@dataclasses.dataclass
class CompressionConfig(FinetuningConfig):
    """A chain: how its models are trained, and what happens to them.

    Stages that train do so as the fields of `FinetuningConfig` say, but for what they
    say themselves. The chain starts from `init_from`, and `data.eval` is what every
    exported file is measured on.

    Attributes:
        unlabelled: files of further texts, which say what the vocabulary must hold;
            empty for none.
        stages: in order; the last one is `Export`.
    """

    unlabelled: str = operational("")
    stages: tuple[Stage, ...] = dataclasses.field(
        default_factory=lambda: (Finetune(), Export())
    )

    @property
    def export(self) -> Export:
        """The last stage."""
        last = self.stages[-1]
        assert isinstance(last, Export)
        return last

    @property
    def making(self) -> tuple[Stage, ...]:
        """The stages that make models: all but the last."""
        return self.stages[:-1]

    def training(
        self, stage: TrainingStage, init_from: str, teacher: str
    ) -> FinetuningConfig:
        """Returns the run of a stage that trains.

        Args:
            stage: one of `stages`.
            init_from: the model that it starts from.
            teacher: the model that it learns from, if it does and names none.
        """
        fields = dataclasses.fields(FinetuningConfig)
        run = FinetuningConfig(**{f.name: getattr(self, f.name) for f in fields})
        rate = stage.learning_rate or self.optimizer.learning_rate
        given = None
        if isinstance(stage, Distil | TrainQuantized):
            given = stage.distillation
        run = dataclasses.replace(
            run,
            # A student of another shape starts at random.
            init_from="" if given and given.student_config else init_from,
            num_train_epochs=stage.num_train_epochs or self.num_train_epochs,
            optimizer=dataclasses.replace(self.optimizer, learning_rate=rate),
        )
        if isinstance(stage, TrainQuantized):
            run = dataclasses.replace(
                run,
                quantization=stage.quantization,
                # Dropout scales up what it leaves, and with it the ranges.
                hidden_dropout_prob=0.0,
                classifier_dropout=-1.0,
            )
        if given is not None:
            distillation = dataclasses.replace(
                given,
                teacher=given.teacher or teacher,
                unlabelled=given.unlabelled or self.unlabelled,
            )
            run = dataclasses.replace(run, distillation=distillation)
        return run

    def teaching(self, index: int) -> int:
        """Returns which stage's model teaches a stage's that names no teacher.

        It is the first one whose vocabulary the student has.

        Args:
            index: of the student's stage.

        Returns:
            Its index; -1 for `init_from`.
        """
        for other in reversed(range(index)):
            if isinstance(self.stages[other], PruneVocabulary):
                return other
        return 0 if index and isinstance(self.stages[0], Finetune) else -1

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        if not self.data.eval:
            raise InputError(
                "`data.eval` must name held-out examples: every exported file is "
                "measured on them. Set it with --config.data.eval=FILE"
            )
        if self.has_several_runs:
            raise InputError(
                "`num_seeds` and `sweep` make several runs of one, and a stage trains "
                "one model. Choose the settings with bert_tf.run_finetuning first."
            )
        if self.distillation.is_on or self.quantization.export:
            raise InputError(
                "`distillation` and `quantization` are of a stage, not of all of them: "
                "use Distil() and TrainQuantized() in `stages`."
            )
        if self.strategy == "multi_worker":
            raise InputError(
                "`strategy` must be one that a single process trains with. Received: "
                "'multi_worker'"
            )
        if self.task.name in WRITING_TASKS:
            raise InputError(
                f"`task`: a model of {self.task.name!r} writes, and a chain compresses "
                "encoders only. Choose a task that labels, scores or embeds."
            )
        self._check_stages()
        return self

    def _check_stages(self) -> None:
        for index, stage in enumerate(self.stages):
            if not isinstance(stage, Stage):
                raise InputError(
                    "`stages` must be stages of bert_tf.chain.stages, as in "
                    f"(Finetune(), Export()). Received: {stage!r}. Edit the "
                    "configuration file."
                )
            prefix = f"--config.stages[{index}]."
            validated(stage, prefix)
            if isinstance(stage, TrainingStage):
                validated(self.training(stage, "start", "teacher"), prefix)
        names = [stage.name for stage in self.stages]
        if names.count("export") != 1 or names[-1] != "export" or len(names) < 2:
            raise InputError(
                "`stages` must make a model and end with the only Export(). Received: "
                f"{', '.join(names) or 'none'}"
            )
        for index, stage in enumerate(self.making):
            if isinstance(stage, TrainQuantized):
                self._check_quantized(index)
            if isinstance(stage, Distil):
                self._check_distil(index, stage.distillation)

    def _check_quantized(self, index: int) -> None:
        after = self.stages[index + 1]
        if not isinstance(after, Export):
            raise InputError(
                f"`stages[{index}]`, TrainQuantized(), must be the last one before "
                f"Export(): the model of {after.name!r} has no trained ranges. "
                "Move it."
            )

    def _check_distil(self, index: int, given: TaskDistillationConfig) -> None:
        smaller = given.student_layers or given.student_config
        if not (given.teacher or smaller) and self.teaching(index) == index - 1:
            raise InputError(
                f"`stages[{index}]`, Distil(), would learn from the very model that "
                "it starts from. Give it fewer layers (`distillation.student_layers`), "
                "put it after PruneStructure(), or name a `distillation.teacher`."
            )
