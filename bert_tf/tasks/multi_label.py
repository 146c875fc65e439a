"""Any number of labels for each text, or pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import MultiLabelExample
from bert_tf.labelled.kinds import MULTI_LABEL
from bert_tf.labelled.labels import LabelMap, LabelStatistics, multi_hot
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import multi_label as metrics
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.sequence_task import SequenceTask, description
from bert_tf.tasks.settings import MultiLabelSettings


class MultiLabelTask(SequenceTask):
    """A yes or no for each label; see `MultiLabelSettings`."""

    name = "multi_label"
    kind = MULTI_LABEL
    settings_type = MultiLabelSettings
    usual_best = "f1_micro"
    quality = "f1_micro"
    shown = {"f1_micro": "micro F1", "f1_macro": "macro F1"}
    charts = {"f1_micro": "Micro F1", "f1_macro": "Macro F1"}

    @classmethod
    def describe(
        cls,
        settings: MultiLabelSettings,
        examples: Sequence[MultiLabelExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the labels of the training examples; see `LabelledTask`."""
        found = [label for example in examples for label in example.labels or ()]
        label_map = LabelMap.from_names(found, settings.labels)
        if not len(label_map):
            raise InputError(
                f"None of the {len(examples):,} training examples has a label: there "
                "is nothing to learn. Is it the right column?"
            )
        return description(settings, examples, label_map.names, max_seq_length)

    @property
    def threshold(self) -> float:
        """The probability from which a label applies."""
        return float(self.description.settings.get("threshold", 0.5))

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns float32 `[examples, labels]`; see `LabelledTask`."""
        label_map = LabelMap(tuple(self.description.labels))
        return {"labels": multi_hot(examples, label_map)}

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how often each label occurs."""
        applies = self.targets(examples)["labels"]
        label_map = LabelMap(tuple(self.description.labels))
        counts = applies.sum(0).astype(np.int64)
        lines = LabelStatistics(label_map, counts, len(examples)).lines()
        without = int((applies.sum(1) == 0).sum())
        return [*lines, f"{without:,} examples have no label"] if without else lines

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums each example's mean binary cross-entropy over the labels."""
        logits = tf.reshape(outputs["logits"], [-1, self.num_outputs])
        labels = tf.reshape(batch["labels"], [-1, self.num_outputs])
        weights = tf.reshape(batch["example_weights"], [-1])
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        return {"example_loss": tf.reduce_sum(tf.reduce_mean(losses, -1) * weights)}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `metrics.multi_label_metrics`; see `Task`."""
        assert isinstance(source, LabelledSource)
        examples, logits = source.in_order(predictions["logits"])
        labels = source.encoded.targets["labels"][examples]
        return metrics.multi_label_metrics(logits, labels, self.threshold)

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the labels that apply and all probabilities; see `LabelledTask`."""
        names = self.description.labels
        logits = predictions["logits"]
        applies = metrics.decide(logits, self.threshold)
        return [
            {
                "labels": [name for name, yes in zip(names, row, strict=True) if yes],
                "probabilities": dict(zip(names, values.tolist(), strict=True)),
            }
            for row, values in zip(applies, metrics.sigmoid(logits), strict=True)
        ]

    def answer(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `labels`, `probabilities` and `applies`, each `[batch, labels]`."""
        probabilities = tf.sigmoid(logits)
        names = tf.constant(self.description.labels)
        return {
            "labels": tf.broadcast_to(names, tf.shape(probabilities)),
            "probabilities": probabilities,
            "applies": probabilities >= self.threshold,
        }
