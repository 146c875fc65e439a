"""A tag for each word: named entities and other spans, or parts of speech."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.labelled.encoded import IGNORED, EncodedExamples
from bert_tf.labelled.examples import TaggedSentence
from bert_tf.labelled.kinds import TOKEN_CLASSIFICATION
from bert_tf.labelled.labels import LabelMap, LabelStatistics
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import tagging as metrics
from bert_tf.metrics.classification import macro_f1
from bert_tf.models.token_classifier import TokenClassifier
from bert_tf.ops.cross_entropy import cross_entropy, is_highest
from bert_tf.reporting.classifier import class_table
from bert_tf.reporting.sections import Section
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.entity_endpoint import tag_text
from bert_tf.tasks.inference import Inference
from bert_tf.tasks.place_task import PlaceTask, label_weights
from bert_tf.tasks.settings import TokenClassificationSettings
from bert_tf.tasks.tagged_words import (
    entities,
    tag_figures,
    tagged_words,
    worst_sentences,
)
from bert_tf.tasks.text_endpoints import TextInputs
from bert_tf.text.alignment import label_pieces, words_of_pieces
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows


class TokenClassificationTask(PlaceTask):
    """A tag a word, learned and read at the word's first piece.

    A sentence that is too long is seen in overlapping windows, and each word counts in
    the one that shows most of what is around it.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 5.3.
    """

    name = "token_classification"
    kind = TOKEN_CLASSIFICATION
    settings_type = TokenClassificationSettings
    usual_best = "f1"
    losses = ("token",)
    counts = ("token_correct",)
    quality = "f1"
    shown = {"f1": "entity F1", "accuracy": "accuracy"}
    charts = {"f1": "Entity F1", "accuracy": "Accuracy"}
    needs_offsets = True

    def __init__(self, description: TaskDescription):
        self.has_entities = metrics.mark_spans(description.labels)
        if not self.has_entities:
            self.usual_best = self.quality = "accuracy"
            self.shown = {"accuracy": "accuracy", "f1_macro": "macro F1"}
            self.charts = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}
        super().__init__(description)

    @classmethod
    def describe(
        cls,
        settings: TokenClassificationSettings,
        examples: Sequence[TaggedSentence],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the tags of the training examples; see `LabelledTask`."""
        label_map = LabelMap.from_tags(examples)
        _statistics(label_map, examples).check_trainable()
        return TaskDescription(
            settings.name, max_seq_length, label_map.names, dataclasses.asdict(settings)
        )

    # The model.

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> TokenClassifier:
        """Returns a token classifier; see `Task`."""
        return TokenClassifier(
            config,
            len(self.description.labels),
            self.description.settings.get("classifier_dropout"),
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    # Its examples.

    def texts(self, examples: Sequence[TaggedSentence]) -> dict[str, list[str]]:
        """Returns the sentences; see `LabelledTask`."""
        return {"text": [example.text for example in examples]}

    def assemble(
        self,
        examples: Sequence[TaggedSentence],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns sentences, the long ones in windows, with the tag of each piece."""
        length = self.max_seq_length
        sentences = pieces["text"]
        windows = Windows.build(
            sentences,
            vocabulary,
            max_seq_length=length,
            doc_stride=max(1, (length - 2) // 2),
        )
        encoded = EncodedExamples.of_windows(windows, sentences)
        if not examples or examples[0].tags is None:
            return encoded
        label_map = LabelMap(tuple(self.description.labels))
        of_pieces = np.full(len(sentences.ids), IGNORED, np.int32)
        for index, example in enumerate(examples):
            row = slice(*sentences.row_splits[index : index + 2])
            words = words_of_pieces(example.spans, *sentences.offsets(index))
            of_pieces[row] = label_pieces(words, _tag_ids(label_map, example))
        seen = windows.best_seen(sentences.row_splits)
        labels = np.full(len(encoded.input_ids), IGNORED, np.int32)
        labels[encoded.starts[seen.windows] + seen.places] = of_pieces[seen.pieces]
        return dataclasses.replace(encoded, token_targets={"labels": labels})

    def encode_unlabelled(
        self,
        examples: Sequence[TaggedSentence],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Returns sentences as ids, each word with some tag; see `LabelledTask`.

        With any tag there is one at the pieces that have one.
        """
        tag = self.description.labels[0]
        tagged = [
            dataclasses.replace(example, tags=(tag,) * len(example.spans))
            for example in examples
        ]
        return self.encode(tagged, vocabulary, cache_directory)

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: `assemble` gives the tags of the pieces."""
        return {}

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how often each tag occurs, and what is odd about that."""
        label_map = LabelMap(tuple(self.description.labels))
        return _statistics(label_map, examples).lines()

    # Its loss.

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums cross-entropy and right tags over the words; see `Task`."""
        weights = label_weights(batch["labels"])
        # A model of a fixed length says something of padding beyond the labels, too.
        logits = outputs["logits"][:, : tf.shape(weights)[1]]
        labels = tf.maximum(batch["labels"], 0)
        losses = cross_entropy(logits, labels)
        return {
            "token_loss": tf.reduce_sum(losses * weights),
            "token_correct": tf.reduce_sum(is_highest(logits, labels) * weights),
        }

    # Its predictions.

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns each token's likeliest tag and its probability; see `Task`."""
        probabilities = tf.nn.softmax(outputs["logits"])
        return {
            "tags": tf.argmax(probabilities, axis=-1, output_type=tf.int32),
            "probabilities": tf.reduce_max(probabilities, axis=-1),
        }

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `metrics.tagging_metrics`, or the figures of other tags."""
        assert isinstance(source, LabelledSource)
        sequences, tags = source.in_order(predictions["tags"])
        _, probabilities = source.in_order(predictions["probabilities"])
        names = self.description.labels
        found = tagged_words(
            source.examples, source.encoded, names, sequences, tags, probabilities
        )
        predicted = [words.tags for words in found.values()]
        true = [source.examples[i].tags for i in found]
        if self.has_entities:
            return metrics.tagging_metrics(predicted, true)
        figures = tag_figures(predicted, true)
        total = sum(f.support for f in figures)
        return {
            "accuracy": sum(f.correct for f in figures) / max(total, 1),
            "f1_macro": macro_f1(figures),
        }

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the entities, and every word's tag; see `LabelledTask`.

        The probability of an entity is the mean of its words'.
        """
        found = tagged_words(
            examples,
            encoded,
            self.description.labels,
            np.arange(len(encoded)),
            predictions["tags"],
            predictions["probabilities"],
        )
        rows: list[dict[str, Any]] = []
        for index, words in found.items():
            row: dict[str, Any] = {}
            if self.has_entities:
                row["entities"] = entities(examples[index], words)
            row["tags"] = list(words.tags)
            row["probabilities"] = words.probabilities.tolist()
            rows.append(row)
        return rows

    # What people see of it.

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns the accuracy of always saying the commonest tag; see `Task`."""
        assert isinstance(train, LabelledSource)
        assert isinstance(held_out, LabelledSource)
        known = train.encoded.token_targets["labels"]
        commonest = np.bincount(known[known != IGNORED]).argmax()
        labels = held_out.encoded.token_targets["labels"]
        share = np.mean(labels[labels != IGNORED] == commonest)
        return {"commonest_tag_accuracy": float(share)}

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns figures of each type of entity, and the worst sentences."""
        assert isinstance(held_out, LabelledSource)
        predictions = Inference(self, model).run(held_out)
        sequences, tags = held_out.in_order(predictions["tags"])
        _, probabilities = held_out.in_order(predictions["probabilities"])
        names = self.description.labels
        found = tagged_words(
            held_out.examples, held_out.encoded, names, sequences, tags, probabilities
        )
        predicted = [words.tags for words in found.values()]
        true = [held_out.examples[i].tags for i in found]
        figures = (
            metrics.per_type(predicted, true)
            if self.has_entities
            else tag_figures(predicted, true)
        )
        return [
            Section(
                "Held-out predictions",
                [class_table(figures), worst_sentences(held_out.examples, found)],
            )
        ]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: text and ids; see `Task`."""
        inputs = TextInputs(tokenizer, max_seq_length)
        return {
            "serving_default": tag_text(model, inputs, self.description.labels),
        }


def _tag_ids(label_map: LabelMap, example: TaggedSentence) -> np.ndarray:
    place = example.place
    assert example.tags is not None
    if place.unit != "line":
        return label_map.ids(example.tags, [place] * len(example.tags))
    places = [place._replace(number=place.number + i) for i in range(len(example.tags))]
    return label_map.ids(example.tags, places)


def _statistics(
    label_map: LabelMap, examples: Sequence[TaggedSentence]
) -> LabelStatistics:
    ids = np.concatenate([_tag_ids(label_map, example) for example in examples])
    return LabelStatistics.of(label_map, ids, len(examples))
