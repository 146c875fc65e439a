"""A number for each text, or pair of texts: a rating, a similarity."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import RegressionExample
from bert_tf.labelled.kinds import REGRESSION
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics.regression import regression_metrics
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.sequence_task import SequenceTask, description
from bert_tf.tasks.settings import RegressionSettings


class RegressionTask(SequenceTask):
    """A number an example, learned by its squared error."""

    name = "regression"
    kind = REGRESSION
    settings_type = RegressionSettings
    usual_best = "pearson"
    quality = "pearson"
    shown = {"pearson": "Pearson", "spearman": "Spearman"}
    charts = {"pearson": "Pearson correlation", "spearman": "Spearman correlation"}

    @classmethod
    def describe(
        cls,
        settings: RegressionSettings,
        examples: Sequence[RegressionExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Checks that the numbers differ; see `LabelledTask`."""
        values = {example.value for example in examples}
        if len(values) < 2:
            raise InputError(
                f"All {len(examples):,} training examples have the value "
                f"{values.pop()}: there is nothing to learn. Is it the right column?"
            )
        return description(settings, examples, (), max_seq_length)

    @property
    def num_outputs(self) -> int:
        """Scores of an example."""
        return 1

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns float32 `[examples]`; see `LabelledTask`."""
        return {"values": np.array([e.value for e in examples], np.float32)}

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums squared errors; see `Task`."""
        errors = tf.reshape(outputs["logits"], [-1]) - tf.reshape(batch["values"], [-1])
        weights = tf.reshape(batch["example_weights"], [-1])
        return {"example_loss": tf.reduce_sum(tf.square(errors) * weights)}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `regression_metrics`; see `Task`."""
        assert isinstance(source, LabelledSource)
        examples, logits = source.in_order(predictions["logits"])
        values = source.encoded.targets["values"][examples]
        return regression_metrics(logits[:, 0], values)

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the number of each example; see `LabelledTask`."""
        return [{"value": float(row[0])} for row in predictions["logits"]]

    def answer(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `value`, float32 `[batch]`."""
        return {"value": logits[:, 0]}
