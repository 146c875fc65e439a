"""What tasks have in common that score a text, or a pair of texts, as a whole."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples, join
from bert_tf.labelled.examples import TextExample
from bert_tf.models.sequence_classifier import SequenceClassifier
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.settings import TaskSettings
from bert_tf.tasks.text_endpoints import TextInputs, text_specs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class SequenceTask(LabelledTask):
    """A task of `SequenceClassifier`."""

    @property
    def has_pairs(self) -> bool:
        """Whether examples are pairs of texts."""
        return bool(self.description.settings.get("pairs", False))

    @property
    def num_outputs(self) -> int:
        """Scores of an example."""
        return len(self.description.labels)

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> SequenceClassifier:
        """Returns a classifier; see `Task`."""
        return SequenceClassifier(
            config,
            self.num_outputs,
            self.description.settings.get("classifier_dropout"),
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    def texts(self, examples: Sequence[TextExample]) -> dict[str, list[str]]:
        """Returns the texts, or the first and second ones; see `LabelledTask`."""
        return texts_of(examples, self.description.settings.get("pairs"))

    def encode_unlabelled(
        self,
        examples: Sequence[TextExample],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Returns texts as ids, pairs where those with labels are; see `LabelledTask`.

        Raises:
            InputError: a single text among pairs, or the other way round.
        """
        for example in examples:
            if (example.text_pair is not None) != self.has_pairs:
                wanted, other = "a text", "a pair of texts"
                if self.has_pairs:
                    wanted, other = other, wanted
                raise InputError(
                    f"{example.place}: `distillation.unlabelled` must hold what the "
                    f"examples with labels are, {wanted} each. Received: {other}"
                )
        return super().encode_unlabelled(examples, vocabulary, cache_directory)

    def assemble(
        self,
        examples: Sequence[TextExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns texts, or pairs of them, as ids; see `LabelledTask`."""
        return join(list(pieces.values()), vocabulary, self.max_seq_length)

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the logits; see `Task`."""
        return {"logits": outputs["logits"]}

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: text and ids; see `Task`."""
        inputs = TextInputs(tokenizer, max_seq_length)
        specs = text_specs("text", *(["text_pair"] if self.has_pairs else []))

        def answer(arguments: Batch) -> Outputs:
            packed = inputs.pack(*(arguments[name] for name in specs))
            return self.answer(model(packed)["logits"])

        return {
            "serving_default": Endpoint(specs, answer),
        }

    def answer(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what a server answers, `[batch, ...]`, in the graph.

        Args:
            logits: float32 `[batch, labels]`.
        """
        raise NotImplementedError


def has_pairs(examples: Sequence[TextExample]) -> bool:
    """Tells whether any example is a pair."""
    return any(example.text_pair is not None for example in examples)


def texts_of(
    examples: Sequence[TextExample], trained_on_pairs: bool | None
) -> dict[str, list[str]]:
    """Returns the texts, or the first and second ones, as a model takes them.

    Args:
        examples: with them.
        trained_on_pairs: None for models of other programs, which do not say.

    Raises:
        InputError: pairs for a model of single texts.
    """
    texts = {"text": [example.text for example in examples]}
    pairs = has_pairs(examples)
    if pairs and trained_on_pairs is False:
        raise InputError(
            f"The model was trained on single texts. Received: {len(examples):,} "
            "inputs with pairs of texts among them."
        )
    if trained_on_pairs or pairs:
        texts["text_pair"] = [example.text_pair or "" for example in examples]
    return texts


def description(
    settings: TaskSettings,
    examples: Sequence[TextExample],
    labels: Sequence[str],
    max_seq_length: int,
) -> TaskDescription:
    """Describes a sequence task; see `LabelledTask.describe`."""
    values: dict[str, Any] = dataclasses.asdict(settings)
    values.pop("labels", None)
    return TaskDescription(
        settings.name,
        max_seq_length,
        tuple(labels),
        {**values, "pairs": has_pairs(examples)},
    )
