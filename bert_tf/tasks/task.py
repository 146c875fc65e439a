"""What training, reports and exports ask of a task: pretraining, classification, ...

A task is one file of this folder and an entry of `bert_tf.tasks.TASKS`. Its losses and
counts are sums over examples, which training adds up over replicas and micro-batches
and divides once; what cannot be added up (F1, rank correlation, exact match) it scores
from the predictions of all held-out examples, on the host.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.reporting.sections import Section
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.writing import Writing
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Best:
    """By which held-out metric checkpoints are compared.

    Attributes:
        metric: its name.
        higher_is_better: its direction.
    """

    metric: str = "loss"
    higher_is_better: bool = False

    def is_better(self, value: float, than: float | None) -> bool:
        """Returns whether a value beats the best one so far, None for none yet."""
        if than is None:
            return True
        return value > than if self.higher_is_better else value < than


class Task(abc.ABC):
    """A model, what it learns from, and what it answers.

    Args:
        description: labels, lengths and settings, as a model folder keeps them.

    Attributes:
        name: of the task, in model folders and configurations.
        best: the metric by which the best checkpoint is chosen and training stops
            early.
        quality: the metric in which an exported model is compared with the one it was
            made from; higher is better.
        shown: metric -> its label on the progress line.
        charts: metric -> its title in the report, beside the loss.
    """

    name: ClassVar[str]
    best: Best = Best()
    quality: str
    shown: Mapping[str, str] = {}
    charts: Mapping[str, str] = {}

    def __init__(self, description: TaskDescription):
        self.description = description

    # The model.

    @abc.abstractmethod
    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> keras.Model:
        """Returns a new model with its variables.

        Args:
            config: the encoder's shape.
            seed: Seed of the initial values.
            rematerialize: whether training computes each block a second time in the
                backward pass, for less memory.
            dtype: name of a Keras dtype policy, None for the global one.
        """

    @abc.abstractmethod
    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of the model's inputs, int32 `[batch, length]`."""

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model.

        Args:
            model: the task's model.
            batch: its inputs; while training also the examples' other features.
            training: whether gradients and dropout are wanted.
            dropout_seed: int32 `[2]`; None for no dropout.

        Returns:
            The model's outputs by name.
        """
        return model(batch, training=training, dropout_seed=dropout_seed)

    def inspect(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        **requested: bool,
    ) -> Outputs:
        """Runs the model so that what it says can be compared with another's.

        Args:
            model: see `apply`.
            batch: see `apply`.
            training: see `apply`.
            dropout_seed: see `apply`.
            **requested: `output_hidden_states`, `output_attentions`; see `BertEncoder`.

        Returns:
            All answers, also those that `apply` leaves out while training, or what they
            follow from; what `sums` needs, if training; and what is requested.
        """
        return model(batch, training=training, dropout_seed=dropout_seed, **requested)

    def begin_step(  # noqa: B027  (most tasks have no schedule)
        self, model: keras.Model, step: tf.Tensor
    ) -> None:
        """Does what is due before a training step, in the graph: by default nothing.

        Called once a step in every replica, before its first micro-batch; for schedules
        that change variables which are not trained. It must do the same in every
        replica, and leave the same behind if it is called twice for a step, as it is
        when a run goes on from a checkpoint of that step.

        Args:
            model: the task's model.
            step: int64, steps done before.
        """

    def end_step(  # noqa: B027  (most tasks have nothing to remember)
        self,
        model: keras.Model,
        step: tf.Tensor,
        applies: tf.Tensor,
        maximum: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        """Does what is due after a training step, in the graph: by default nothing.

        Called once a step in every replica, after its last micro-batch.

        Args:
            model: the task's model.
            step: int64, steps done before this one.
            applies: bool, whether the step changes the model. If not, nothing may be
                changed that is saved.
            maximum: returns the largest of a tensor's values over all replicas.
        """

    @property
    def methods(self) -> list[str]:
        """What is done to the model beside learning, a sentence each, for its card."""
        return []

    def figures(self, model: keras.Model) -> dict[str, float]:
        """Returns what `eval.json` is to say of the model beside its metrics."""
        return {}

    @property
    def settles_at(self) -> int:
        """The step from which the run's checkpoints are compared for the best one.

        Before, a schedule still changes what kind of model they hold.
        """
        return 0

    @property
    def as_evaluated(self) -> "Task":
        """The task by which held-out examples are scored."""
        return self

    # Its losses and metrics, as sums.

    @property
    @abc.abstractmethod
    def losses(self) -> tuple[str, ...]:
        """Names of the losses. The training loss is the sum of their means."""

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the other sums; `<loss>_correct` counts right answers."""
        return ()

    @abc.abstractmethod
    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns what each loss is divided by, known from the inputs alone.

        Returns:
            loss name -> float32 scalar.
        """

    @abc.abstractmethod
    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums losses and counts over the examples of a micro-batch.

        Args:
            outputs: what `apply` returned.
            batch: the examples.
            training: whether the losses are those to train with, smoothed or weighted.

        Returns:
            `<loss>_loss` for each loss and each of `counts`: float32 scalars.
        """

    def num_tokens(self, batch: Batch) -> tf.Tensor:
        """Returns how many tokens a batch holds, for the rate on the progress line."""
        return tf.reduce_sum(batch["input_mask"])

    @abc.abstractmethod
    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing, those that only fill it up.

        Args:
            batch: name -> `[..., batch, ...]`.
            real: float32 `[..., batch]`, 0.0 for the rows to leave out.
        """

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Divides sums once.

        Args:
            sums: `<loss>_weight`, `<loss>_loss` and `counts`, over any number of
                examples.

        Returns:
            `loss`, the sum of the means; `<loss>_loss` in nats and `<loss>_accuracy`
            for each loss that has any weight.
        """
        result = {"loss": 0.0}
        for name in self.losses:
            weight = float(sums[f"{name}_weight"])
            if weight:
                result[f"{name}_loss"] = float(sums[f"{name}_loss"]) / weight
                if f"{name}_correct" in sums:
                    correct = float(sums[f"{name}_correct"])
                    result[f"{name}_accuracy"] = correct / weight
                result["loss"] += result[f"{name}_loss"]
        return result

    # What is scored over all held-out examples together.

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns what `score` needs of each example, name -> `[batch, ...]`."""
        return {}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Scores the predictions of held-out examples, once for all of them.

        Args:
            source: the examples.
            predictions: name -> `[examples, ...]`, in the order of the source; a
                beginning of it where not all were evaluated.
        """
        return {}

    def writing(self, held_out: ExampleSource) -> Writing | None:
        """Returns how texts are written of held-out examples to be scored, too."""
        return None

    # What people see of it.

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what knowing no text would score, to compare the results with."""
        return {}

    def conclusion(self, results: Mapping[str, Any]) -> str:
        """Returns a sentence about the last evaluation, for the end of a run."""
        return ", ".join(
            f"{label} {results[name]:.4f}"
            for name, label in {**self.shown, "loss": "loss"}.items()
            if name in results
        ).join(["Held-out ", "."])

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns the task's own part of the report."""
        return []

    # What its exports take and give.

    @abc.abstractmethod
    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures of a server that takes text.

        Args:
            model: with its weights.
            tokenizer: the one that it was trained with.
            max_seq_length: what is longer is cut, counted with [CLS] and [SEP].

        Returns:
            signature name -> endpoint; `serving_default` among them.
        """

    def serve_ids(self, model: keras.Model) -> Endpoint:
        """Returns the signature that takes what the tokenizer gives."""
        names = self.input_lengths(max_seq_length=1)
        return Endpoint(
            {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names},
            lambda inputs: self.apply(model, inputs),
        )

    @abc.abstractmethod
    def open_held_out(self, path: str, vocabulary: Vocabulary) -> ExampleSource:
        """Opens labelled examples to measure an exported model on.

        Args:
            path: what the task's users call held-out data.
            vocabulary: the model's.

        Raises:
            InputError: no such data, or of another vocabulary.
        """
