"""One class for each text, or pair of texts: sentiment, topic, intent, inference."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.data.source import ExampleSource
from bert_tf.labelled import labels as labelled
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import ClassificationExample
from bert_tf.labelled.kinds import CLASSIFICATION
from bert_tf.labelled.labels import LabelMap, LabelStatistics
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import classification as metrics
from bert_tf.ops.cross_entropy import cross_entropy, is_highest
from bert_tf.reporting import classifier as report
from bert_tf.reporting.sections import Section
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.inference import Inference
from bert_tf.tasks.sequence_task import SequenceTask, description
from bert_tf.tasks.settings import ClassificationSettings

_WORST_ERRORS = 20


class ClassificationTask(SequenceTask):
    """One class an example; see `ClassificationSettings`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.1.
    """

    name = "classification"
    kind = CLASSIFICATION
    settings_type = ClassificationSettings
    usual_best = "accuracy"
    counts = ("example_correct",)
    quality = "accuracy"
    shown = {"accuracy": "accuracy", "f1_macro": "macro F1"}
    charts = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}

    @classmethod
    def describe(
        cls,
        settings: ClassificationSettings,
        examples: Sequence[ClassificationExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the classes of the training examples; see `LabelledTask`."""
        found, places = labelled.class_labels(examples)
        label_map = LabelMap.from_names(found, settings.labels)
        ids = label_map.ids(found, places)
        LabelStatistics.of(label_map, ids, len(examples)).check_trainable()
        return description(settings, examples, label_map.names, max_seq_length)

    @property
    def label_map(self) -> LabelMap:
        """The classes."""
        return LabelMap(tuple(self.description.labels))

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns the class of each example, int32; see `LabelledTask`."""
        return {"labels": self.label_map.ids(*labelled.class_labels(examples))}

    def training_targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns the weight of each example's class, if classes are weighted."""
        if not self.description.settings.get("class_weights"):
            return {}
        return {
            "loss_weights": self._statistics(examples).class_weights()[
                self.targets(examples)["labels"]
            ]
        }

    @classmethod
    def strata(cls, examples: Sequence[Any]) -> Sequence[Any]:
        """Returns the classes: each is held out in the same share."""
        return [example.label for example in examples]

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how often each class occurs, and what is odd about that."""
        lines = self._statistics(examples).lines()
        if conflicts := labelled.count_conflicts(examples):
            lines.append(f"warning: {conflicts:,} texts occur with several labels")
        return lines

    def _statistics(self, examples: Sequence[Any]) -> LabelStatistics:
        ids = self.targets(examples)["labels"]
        return LabelStatistics.of(self.label_map, ids, len(examples))

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums cross-entropy and right answers; see `Task`."""
        logits = tf.reshape(outputs["logits"], [-1, self.num_outputs])
        labels = tf.reshape(batch["labels"], [-1])
        weights = tf.reshape(batch["example_weights"], [-1])
        losses = cross_entropy(logits, labels)
        if training:
            smoothing = self.description.settings.get("label_smoothing", 0.0)
            if smoothing:
                evenly = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
                losses = (1.0 - smoothing) * losses + smoothing * evenly
            if "loss_weights" in batch:
                losses *= tf.reshape(batch["loss_weights"], [-1])
        return {
            "example_loss": tf.reduce_sum(losses * weights),
            "example_correct": tf.reduce_sum(is_highest(logits, labels) * weights),
        }

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `metrics.classification_metrics`; see `Task`."""
        assert isinstance(source, LabelledSource)
        examples, logits = source.in_order(predictions["logits"])
        labels = source.encoded.targets["labels"][examples]
        return metrics.classification_metrics(logits, labels)

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns the accuracy of always saying the commonest class; see `Task`."""
        assert isinstance(train, LabelledSource)
        assert isinstance(held_out, LabelledSource)
        commonest = np.bincount(train.encoded.targets["labels"]).argmax()
        share = np.mean(held_out.encoded.targets["labels"] == commonest)
        return {"commonest_class_accuracy": float(share)}

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns figures of each class, confusions, confidence and worst errors."""
        assert isinstance(held_out, LabelledSource)
        predictions = Inference(self, model).run(held_out)
        _, logits = held_out.in_order(predictions["logits"])
        labels, names = held_out.encoded.targets["labels"], self.description.labels
        predicted = logits.argmax(-1)
        probabilities = metrics.softmax(logits)
        errors = [
            (
                " | ".join(held_out.examples[i].key),
                names[labels[i]],
                names[predicted[i]],
                float(probabilities[i].max()),
            )
            for i in metrics.worst_errors(logits, labels, _WORST_ERRORS)
        ]
        return [
            Section(
                "Held-out predictions",
                [
                    report.class_table(metrics.per_class(predicted, labels, names)),
                    report.confusion_table(
                        metrics.confusion_matrix(predicted, labels, len(names)), names
                    ),
                    report.reliability_chart(metrics.confidence_bins(logits, labels)),
                    report.error_table(errors),
                ],
            )
        ]

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the likeliest class and all probabilities; see `LabelledTask`."""
        names = self.description.labels
        probabilities = metrics.softmax(predictions["logits"])
        return [
            {
                "label": names[int(row.argmax())],
                "probability": float(row.max()),
                "probabilities": dict(zip(names, row.tolist(), strict=True)),
            }
            for row in probabilities
        ]

    def answer(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `label`, string `[batch]`, its `probability`, and all of them.

        `labels` and `probabilities` are `[batch, labels]`, in the order of the model.
        """
        probabilities = tf.nn.softmax(logits)
        names = tf.constant(self.description.labels)
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return {
            "label": tf.gather(names, best),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "labels": tf.broadcast_to(names, tf.shape(probabilities)),
            "probabilities": probabilities,
        }
