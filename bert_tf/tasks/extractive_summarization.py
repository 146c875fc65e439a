"""Which sentences of a document make its summary.

Every sentence begins with a [CLS] of its own, and what the model makes of that says
whether the sentence is taken. A document that is too long is several windows of whole
sentences; the sentences of all of them are ranked together.
"""

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
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED, EncodedExamples
from bert_tf.labelled.examples import SummarizationExample
from bert_tf.labelled.kinds import EXTRACTIVE_SUMMARIZATION
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.summarization import select_sentences
from bert_tf.models.sentence_scorer import SentenceScorer
from bert_tf.reporting.sections import Section
from bert_tf.tasks.chosen_sentences import (
    by_document,
    places,
    rouge,
    samples,
    selection_f1,
)
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.inference import Inference
from bert_tf.tasks.place_task import PlaceTask, label_weights
from bert_tf.tasks.settings import ExtractiveSummarizationSettings
from bert_tf.tasks.summary_endpoint import summarize_sentences
from bert_tf.text.pieces import Pieces
from bert_tf.text.sentence_windows import SentenceWindows, most_sentences
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class ExtractiveSummarizationTask(PlaceTask):
    """Some sentences of a document; see `ExtractiveSummarizationSettings`.

    Checkpoints are compared by ROUGE-2, in which summaries differ most. What was
    labelled by hand and has no summary is compared with the labelled sentences.

    Source: Liu 2019, BertSum (arXiv:1903.10318), section 2.
    """

    name = "extractive_summarization"
    kind = EXTRACTIVE_SUMMARIZATION
    settings_type = ExtractiveSummarizationSettings
    usual_best = "rouge2"
    losses = ("sentence",)
    quality = "rouge2"
    shown = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeLsum": "ROUGE-L"}
    charts = shown

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        if "classifier_dropout" in description.settings:
            raise InputError(
                "`classifier_dropout`: nothing is dropped before sentences are scored. "
                "Leave it at -1.0; `hidden_dropout_prob` holds for the encoder."
            )
        self.settings = ExtractiveSummarizationSettings.stated_in(
            description.settings
        ).validate()

    @classmethod
    def describe(
        cls,
        settings: ExtractiveSummarizationSettings,
        examples: Sequence[SummarizationExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the task of these settings; see `LabelledTask`."""
        if not any(any(example.labels or ()) for example in examples):
            raise InputError(
                f"None of the {len(examples):,} training documents has a sentence that "
                "belongs to its summary: there is nothing to learn. Are these the "
                "right columns?"
            )
        return super().describe(settings, examples, max_seq_length)

    # The model.

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> SentenceScorer:
        """Returns a model that scores sentences; see `Task`."""
        return SentenceScorer(
            config,
            self.settings.num_inter_sentence_layers,
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of the model's inputs; see `Task`."""
        return {
            **super().input_lengths(max_seq_length),
            "cls_positions": most_sentences(max_seq_length),
        }

    # Its examples.

    def texts(self, examples: Sequence[SummarizationExample]) -> dict[str, list[str]]:
        """Returns the sentences of all documents; see `LabelledTask`."""
        return {"sentences": [s for example in examples for s in _sentences(example)]}

    def assemble(
        self,
        examples: Sequence[SummarizationExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns the windows of each document, with the label of each sentence."""
        windows = SentenceWindows.build(
            pieces["sentences"],
            np.array([len(_sentences(example)) for example in examples]),
            vocabulary,
            max_seq_length=self.max_seq_length,
        )
        encoded = EncodedExamples.of_sentences(windows)
        if not examples or examples[0].labels is None:
            return encoded
        labels = [_labels(example) for example in examples]
        return dataclasses.replace(
            encoded, cls_targets={"labels": np.concatenate(labels)}
        )

    def encode_unlabelled(
        self,
        examples: Sequence[SummarizationExample],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Returns documents as ids, no sentence wanted; see `LabelledTask`.

        With any label there is one where there is a sentence.
        """
        marked = [
            dataclasses.replace(example, labels=(False,) * len(example.sentences))
            for example in examples
        ]
        return self.encode(marked, vocabulary, cache_directory)

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: `assemble` gives the labels of the sentences."""
        return {}

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how many sentences there are, and how many of them are wanted."""
        sizes = [len(example.sentences) for example in examples]
        wanted = sum(sum(example.labels) for example in examples)
        return [
            f"{min(sizes):,} to {max(sizes):,} sentences a document, "
            f"{np.median(sizes):g} in half of them at most; {wanted / sum(sizes):.1%} "
            "of all belong to a summary"
        ]

    # Its loss.

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the binary cross-entropy of the sentences; see `Task`."""
        weights = label_weights(batch["labels"])
        # A model of a fixed length scores places beyond the labels, too.
        logits = outputs["logits"][:, : tf.shape(weights)[1]]
        labels = tf.cast(tf.maximum(batch["labels"], 0), tf.float32)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        return {"sentence_loss": tf.reduce_sum(losses * weights)}

    # Its predictions.

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the score of each sentence; see `Task`."""
        return {"scores": outputs["logits"]}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `rouge_metrics`, and `selection_f1`; see `Task`.

        The latter is the F1 of taking the labelled sentences, over all sentences of all
        documents: it says something in any language, which ROUGE does not.
        """
        assert isinstance(source, LabelledSource)
        chosen = self._chosen(source, predictions)
        documents = [source.examples[index] for index in chosen]
        return {
            **rouge(documents, list(chosen.values())),
            "selection_f1": selection_f1(documents, list(chosen.values())),
        }

    def _chosen(
        self, source: LabelledSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[int, list[int]]:
        """Returns the sentences taken of each document that was predicted on."""
        sequences, scores = source.in_order(predictions["scores"])
        return {
            index: self._select(source.examples[index], found)
            for index, found in by_document(source.encoded, sequences, scores).items()
        }

    def _select(self, example: SummarizationExample, scores: np.ndarray) -> list[int]:
        return select_sentences(
            example.sentences,
            scores[: len(example.sentences)],
            self.settings.max_sentences,
            block_trigrams=self.settings.block_trigrams,
        )

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the summary, its sentences, and all probabilities.

        A sentence has its `start` and `end` in the text, in characters, where the
        document was given as running text, and None where it was a list of sentences.
        An empty document has an empty summary.
        """
        scores = by_document(encoded, np.arange(len(encoded)), predictions["scores"])
        return [
            self._row(example, scores[index]) for index, example in enumerate(examples)
        ]

    def _row(self, example: SummarizationExample, scores: np.ndarray) -> dict[str, Any]:
        count = len(example.sentences)
        probabilities = (1 / (1 + np.exp(-scores[:count].astype(float)))).tolist()
        spans = example.spans or ((None, None),) * count
        chosen = self._select(example, scores)
        return {
            "summary": " ".join(example.sentences[index] for index in chosen),
            "selected": [
                {
                    "index": index,
                    "sentence": example.sentences[index],
                    "start": spans[index][0],
                    "end": spans[index][1],
                    "probability": probabilities[index],
                }
                for index in chosen
            ],
            "probabilities": probabilities,
        }

    # What people see of it.

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns ROUGE of the first sentences, as many as are taken; see `Task`."""
        assert isinstance(held_out, LabelledSource)
        documents = held_out.examples
        found = rouge(documents, [self._lead(example) for example in documents])
        return {f"lead_{name}": value for name, value in found.items()}

    def _lead(self, example: SummarizationExample) -> list[int]:
        places = range(min(self.settings.max_sentences, len(example.sentences)))
        return list(places)

    def conclusion(self, results: Mapping[str, Any]) -> str:
        """Returns ROUGE beside that of the first sentences; see `Task`."""
        count = self.settings.max_sentences
        first = "first sentence" if count == 1 else f"first {count} sentences"
        parts = [
            f"{label} {results[name]:.4f} ({first}: {results[f'lead_{name}']:.4f})"
            for name, label in self.shown.items()
        ]
        return f"Held-out {', '.join(parts)}, loss {results['loss']:.4f}."

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns where the sentences stand, and some summaries drawn at random."""
        assert isinstance(held_out, LabelledSource)
        chosen = self._chosen(held_out, Inference(self, model).run(held_out))
        documents = held_out.examples
        tables = [places(documents, chosen), samples(documents, chosen, seed)]
        return [Section("Held-out predictions", tables)]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: sentences and ids; see `Task`.

        `serve_ids` takes windows of documents with `cls_positions`, int32
        `[batch, sentences]`, where each sentence's [CLS] is, 0 after the last one, and
        returns `logits`, float32 of that shape.
        """
        return {
            "serving_default": summarize_sentences(
                model, tokenizer, max_seq_length, self.settings
            ),
        }


def _sentences(example: SummarizationExample) -> Sequence[str]:
    """Returns what is encoded: of an empty document, one empty sentence."""
    return example.sentences or ("",)


def _labels(example: SummarizationExample) -> np.ndarray:
    if not example.sentences:
        return np.array([IGNORED], np.int32)
    return np.array(example.labels, np.int32)
