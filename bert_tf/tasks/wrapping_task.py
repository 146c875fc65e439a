"""A task that trains another one's model in a way of its own.

Distillation, pruning and quantization-aware training are such tasks, and one may wrap
another.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.reporting.sections import Section
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.task import Task
from bert_tf.tasks.writing import Writing
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class WrappingTask(Task):
    """What the task inside is; subclasses change what they have to.

    What comes of it is a model of the task inside: it has that one's name and
    description, and is evaluated by that one's losses and metrics.

    Args:
        inner: the task inside.

    Attributes:
        inner: the task inside.
    """

    def __init__(self, inner: Task):
        super().__init__(inner.description)
        self.inner = inner
        # `Task` declares them for classes.
        self.name = inner.name  # type: ignore[misc]
        self.best, self.quality = inner.best, inner.quality
        self.shown, self.charts = inner.shown, inner.charts

    @property
    def methods(self) -> list[str]:
        """What is done beside learning the task; see `Task`."""
        return self.inner.methods

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> keras.Model:
        """Returns the inner task's model; see `Task`.

        Subclasses add variables to it (`bert_tf.compression.added_variables`).
        """
        return self.inner.create_model(
            config, seed=seed, rematerialize=rematerialize, dtype=dtype
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of the model's inputs; see `Task`."""
        return self.inner.input_lengths(max_seq_length)

    def begin_step(self, model: keras.Model, step: tf.Tensor) -> None:
        """Does what is due before a training step; see `Task`."""
        self.inner.begin_step(model, step)

    def end_step(
        self,
        model: keras.Model,
        step: tf.Tensor,
        applies: tf.Tensor,
        maximum: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        """Does what is due after a training step; see `Task`."""
        self.inner.end_step(model, step, applies, maximum)

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; see `Task`."""
        return self.inner.apply(
            model, batch, training=training, dropout_seed=dropout_seed
        )

    def inspect(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        **requested: bool,
    ) -> Outputs:
        """Runs the model for a comparison; see `Task`."""
        return self.inner.inspect(
            model, batch, training=training, dropout_seed=dropout_seed, **requested
        )

    def figures(self, model: keras.Model) -> dict[str, float]:
        """Returns what `eval.json` is to say of the model; see `Task`."""
        return self.inner.figures(model)

    @property
    def settles_at(self) -> int:
        """The step from which checkpoints are compared; see `Task`."""
        return self.inner.settles_at

    @property
    def as_evaluated(self) -> Task:
        """The task inside all others."""
        return self.inner.as_evaluated

    @property
    def added_losses(self) -> tuple[str, ...]:
        """Names of the losses that training has beside the inner task's."""
        return ()

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses."""
        return self.inner.losses + self.added_losses

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the other sums; see `Task`."""
        return self.inner.counts

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns what each loss is divided by; see `Task`."""
        return self.inner.weights(batch)

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums losses and counts; see `Task`."""
        return self.inner.sums(outputs, batch, training=training)

    def num_tokens(self, batch: Batch) -> tf.Tensor:
        """Returns how many tokens a batch holds; see `Task`."""
        return self.inner.num_tokens(batch)

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        return self.inner.leave_out(batch, real)

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Returns what the inner task does, the added losses among it.

        `<loss>_loss` of each added loss that has any weight is a part of `loss`.
        """
        result = self.inner.summarize(sums)
        for name in self.added_losses:
            weight = float(sums[f"{name}_weight"])
            if weight:
                result[f"{name}_loss"] = float(sums[f"{name}_loss"]) / weight
                result["loss"] += result[f"{name}_loss"]
        return result

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns what `score` needs of each example; see `Task`."""
        return self.inner.predictions(outputs, batch)

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Scores the predictions of held-out examples; see `Task`."""
        return self.inner.score(source, predictions)

    def writing(self, held_out: ExampleSource) -> Writing | None:
        """Returns how texts are written of held-out examples; see `Task`."""
        return self.inner.writing(held_out)

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what knowing no text would score; see `Task`."""
        return self.inner.baseline(train, held_out, seed)

    def conclusion(self, results: Mapping[str, Any]) -> str:
        """Returns a sentence about the last evaluation; see `Task`."""
        return self.inner.conclusion(results)

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns the task's own part of the report; see `Task`."""
        return self.inner.sections(model, held_out, seed)

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures of a server that takes text; see `Task`."""
        return self.inner.endpoints(model, tokenizer, max_seq_length)

    def serve_ids(self, model: keras.Model) -> Endpoint:
        """Returns the signature that takes what the tokenizer gives; see `Task`."""
        return self.inner.serve_ids(model)

    def open_held_out(self, path: str, vocabulary: Vocabulary) -> ExampleSource:
        """Opens labelled examples to measure an exported model on; see `Task`."""
        return self.inner.open_held_out(path, vocabulary)
