"""What tasks have in common whose model predicts the next token."""

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics.language_modeling import perplexities
from bert_tf.ops.cross_entropy import cross_entropy, is_highest
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.masked_tokens import unigram_baseline
from bert_tf.tasks.place_task import PlaceTask, label_weights
from bert_tf.tasks.random_start import load_start
from bert_tf.tasks.task import Task
from bert_tf.text.vocabulary import Vocabulary


class NextTokenTask(PlaceTask):
    """A task whose model predicts the next token of what it writes.

    Attributes:
        labels: the feature that holds the tokens to predict; see `PlaceTask`.
        settings: of `settings_type`.
    """

    usual_best = "loss"
    losses = ("token",)
    # The last two are of held-out text only.
    counts = ("token_correct", "words", "bytes")
    quality = "token_accuracy"
    shown = {"token_accuracy": "token accuracy", "perplexity": "perplexity"}
    charts = {"token_accuracy": "Token accuracy", "perplexity": "Perplexity a token"}
    settings: Any

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        if "classifier_dropout" in description.settings:
            raise InputError(
                "`classifier_dropout`: nothing is dropped before tokens are scored. "
                "Leave it at -1.0; `hidden_dropout_prob` holds for the blocks."
            )
        self.settings = self.settings_type.stated_in(description.settings).validate()

    @classmethod
    def load_start(cls, settings: Any, init_from: str) -> ModelWeights:
        """Returns a checkpoint's weights, or a size without any.

        Without rows that have no entry: those would be written.
        """
        return resizing.without_surplus_rows(load_start(settings.size, init_from))

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; where there are labels without making the large logits."""
        labels = batch.get(self.labels)
        return model(
            batch,
            training=training,
            dropout_seed=dropout_seed,
            labels=None if labels is None else _weighed(labels),
            label_smoothing=self._smoothing if training else 0.0,
        )

    @property
    def _smoothing(self) -> float:
        return float(getattr(self.settings, "label_smoothing", 0.0))

    def inspect(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        **requested: bool,
    ) -> Outputs:
        """Runs the model without making the large logits; see `Task`.

        Returns:
            `scores`, which they follow from; in training also `sums`, of the loss.
        """
        arguments: dict[str, Any] = {}
        if training:
            labels = batch[self.labels]
            arguments["labels"] = _weighed(labels)
            arguments["label_smoothing"] = self._smoothing
        return model(
            batch,
            training=training,
            dropout_seed=dropout_seed,
            output_scores=True,
            **arguments,
            **requested,
        )

    def encode_unlabelled(
        self,
        examples: Sequence[Any],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Raises an InputError: without what is written there is nothing to answer."""
        raise InputError(
            f"`distillation.unlabelled` must be empty for {self.name!r}: a teacher "
            "says what comes next in a text that is there to the end. Give all texts, "
            "with what is to be written of them if the task has that, with "
            "--config.data.train."
        )

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: the tokens that follow come with the encoded examples."""
        return {}

    # Its loss.

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums loss and right answers over the tokens of a micro-batch; see `Task`.

        In training neither words nor bytes: its loss may be a smoothed one, which no
        perplexity follows from.
        """
        labels = batch[self.labels]
        if "sums" in outputs:
            loss, correct = outputs["sums"]
        else:
            weights = label_weights(labels)
            ids = tf.cast(tf.maximum(labels, 0), tf.int32)
            loss = tf.reduce_sum(cross_entropy(outputs["logits"], ids) * weights)
            correct = tf.reduce_sum(is_highest(outputs["logits"], ids) * weights)
        sizes = {"words": tf.constant(0.0), "bytes": tf.constant(0.0)}
        if not training:
            shares = batch["example_weights"]
            sizes = {name: tf.reduce_sum(batch[name] * shares) for name in sizes}
        return {"token_loss": loss, "token_correct": correct, **sizes}

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Divides sums once, and adds perplexities of held-out text; see `Task`."""
        found = Task.summarize(self, sums)  # Not without the loss' name.
        if not sums["words"]:
            return found
        return found | perplexities(
            sums["token_loss"], sums["token_weight"], sums["words"], sums["bytes"]
        )

    # What people see of it.

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what token frequencies alone would score; see `Task`."""
        found = []
        for source in (train, held_out):
            assert isinstance(source, LabelledSource)
            found.append(self.predicted(source.encoded))
        size = max(int(ids.max()) for ids in found) + 1
        return unigram_baseline(*(np.bincount(ids, minlength=size) for ids in found))

    @staticmethod
    @abc.abstractmethod
    def predicted(encoded: EncodedExamples) -> np.ndarray:
        """Returns all tokens of examples that are to be predicted, integers."""

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Raises an InputError: such a model writes, which is another job."""
        raise InputError(
            "This model writes texts: use `python -m bert_tf.run_generation`, or "
            "`bert_tf.load(path).generate([...])`."
        )


def _weighed(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns labels, 0 where there is none, and `label_weights`."""
    return tf.maximum(labels, 0), label_weights(labels)


def text_sizes(texts: Sequence[str], kept: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the words and bytes of texts, float32 `[texts]` each.

    Args:
        texts: as they are written.
        kept: `[texts]`, the share of each that is predicted; the rest was cut.
    """
    words = np.array([len(text.split()) for text in texts])
    num_bytes = np.array([len(text.encode("utf-8")) for text in texts])
    return {
        "words": (words * kept).astype(np.float32),
        "bytes": (num_bytes * kept).astype(np.float32),
    }
