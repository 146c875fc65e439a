"""The configuration of a chain. Free of TensorFlow; see `bert_tf.config`."""

import dataclasses
from typing import Self

from bert_tf.chain.stages import Export, Finetune, Stage, TrainingStage
from bert_tf.config import operational
from bert_tf.errors import InputError, validated
from bert_tf.training.finetuning_config import FinetuningConfig

_WRITING = ("sequence_to_sequence", "causal_lm")


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

    def training(self, stage: TrainingStage, init_from: str) -> FinetuningConfig:
        """Returns the run of a stage that trains.

        Args:
            stage: one of `stages`.
            init_from: the model that it starts from.
        """
        fields = dataclasses.fields(FinetuningConfig)
        run = FinetuningConfig(**{f.name: getattr(self, f.name) for f in fields})
        rate = stage.learning_rate or self.optimizer.learning_rate
        return dataclasses.replace(
            run,
            init_from=init_from,
            num_train_epochs=stage.num_train_epochs or self.num_train_epochs,
            optimizer=dataclasses.replace(self.optimizer, learning_rate=rate),
        )

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
        if self.strategy == "multi_worker":
            raise InputError(
                "`strategy` must be one that a single process trains with. Received: "
                "'multi_worker'"
            )
        if self.task.name in _WRITING:
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
            validated(stage, f"--config.stages[{index}].")
        names = [stage.name for stage in self.stages]
        if names.count("export") != 1 or names[-1] != "export" or len(names) < 2:
            raise InputError(
                "`stages` must make a model and end with the only Export(). Received: "
                f"{', '.join(names) or 'none'}"
            )
