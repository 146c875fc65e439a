"""Masked language modeling and sentence pairs: BERT's own task.

Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer
from bert_tf.reporting.sections import Section
from bert_tf.tasks import losses, masked_tokens, text_endpoints
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.task import Task
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

# Of `leave_out`; records have none, and all their pairs count.
_PAIR_WEIGHTS = "next_sentence_weights"

DEFAULT_MAX_PREDICTIONS = 20


def pretraining_description(
    *,
    max_seq_length: int | None = None,
    max_predictions_per_seq: int = DEFAULT_MAX_PREDICTIONS,
    sentence_pairs: bool = True,
) -> TaskDescription:
    """Describes a pretraining task.

    Args:
        max_seq_length: S of the records.
        max_predictions_per_seq: P of the records.
        sentence_pairs: whether the records' labels of pairs mean something.
    """
    settings = {
        "max_predictions_per_seq": max_predictions_per_seq,
        "sentence_pairs": sentence_pairs,
    }
    return TaskDescription("pretraining", max_seq_length, settings=settings)


class PretrainingTask(Task):
    """The two losses of BERT.

    Args:
        description: see `pretraining_description`.
    """

    name = "pretraining"
    quality = "masked_lm_accuracy"
    shown = {
        "masked_lm_accuracy": "MLM accuracy",
        "next_sentence_accuracy": "NSP accuracy",
    }
    charts = {
        "masked_lm_accuracy": "Masked-LM accuracy",
        "next_sentence_accuracy": "Next-sentence accuracy",
    }

    def __init__(self, description: TaskDescription | None = None):
        super().__init__(description or pretraining_description())
        settings = self.description.settings
        self.sentence_pairs: bool = settings.get("sentence_pairs", True)
        self.max_predictions_per_seq: int = settings.get(
            "max_predictions_per_seq", DEFAULT_MAX_PREDICTIONS
        )

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> BertPretrainer:
        """Returns a BERT with both heads; see `Task`."""
        return BertPretrainer(
            config, seed=seed, rematerialize=rematerialize, dtype=dtype
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of the model's inputs; see `Task`."""
        return {
            "input_ids": max_seq_length,
            "input_mask": max_seq_length,
            "segment_ids": max_seq_length,
            "masked_lm_positions": min(self.max_predictions_per_seq, max_seq_length),
        }

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; in training without making the large logits."""
        labels = None
        if training:
            labels = batch["masked_lm_ids"], batch["masked_lm_weights"]
        return model(
            batch,
            masked_lm_labels=labels,
            dropout_seed=dropout_seed,
            training=training,
        )

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses."""
        return ("masked_lm", "next_sentence")[: 1 + self.sentence_pairs]

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the other sums: the right answers for each loss."""
        return tuple(f"{loss}_correct" for loss in self.losses)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the numbers of masked tokens and of pairs; see `Task`."""
        labels, weights = batch["next_sentence_labels"], batch.get(_PAIR_WEIGHTS)
        pairs = tf.size(labels) if weights is None else tf.reduce_sum(weights)
        counts = {
            "masked_lm": tf.reduce_sum(batch["masked_lm_weights"]),
            "next_sentence": tf.cast(pairs, tf.float32),
        }
        return {name: counts[name] for name in self.losses}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        weights = batch["masked_lm_weights"] * real[..., None]
        return {**batch, "masked_lm_weights": weights, _PAIR_WEIGHTS: real}

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums losses and right answers; see `Task`."""
        if "masked_lm_sums" in outputs:
            masked_lm_loss, masked_lm_correct = outputs["masked_lm_sums"]
        else:
            logits = outputs["masked_lm_logits"]
            labels = batch["masked_lm_ids"], batch["masked_lm_weights"]
            masked_lm_loss, _ = losses.masked_lm_loss(logits, *labels)
            masked_lm_correct, _ = losses.masked_lm_accuracy(logits, *labels)
        pairs = (
            outputs["next_sentence_logits"],
            batch["next_sentence_labels"],
            batch.get(_PAIR_WEIGHTS),
        )
        sums = {
            "masked_lm_loss": masked_lm_loss,
            "masked_lm_correct": masked_lm_correct,
            "next_sentence_loss": losses.next_sentence_loss(*pairs)[0],
            "next_sentence_correct": losses.next_sentence_accuracy(*pairs)[0],
        }
        return {
            name: value
            for name, value in sums.items()
            if name.rsplit("_", 1)[0] in self.losses
        }

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Divides sums once, and adds `masked_lm_perplexity`; see `Task`."""
        result = super().summarize(sums)
        if "masked_lm_loss" in result:
            # A loss beyond 700 overflows; such a model's perplexity means nothing.
            loss = min(result["masked_lm_loss"], 700.0)
            result["masked_lm_perplexity"] = math.exp(loss)
        return result

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what token frequencies alone would score; see `Task`."""
        counts = [masked_tokens.count(source, seed) for source in (train, held_out)]
        return masked_tokens.unigram_baseline(*counts)

    def conclusion(self, results: Mapping[str, Any]) -> str:
        """Returns a sentence about the last evaluation; see `Task`."""
        return (
            f"Held-out masked-LM accuracy {results['masked_lm_accuracy']:.3f} (unigram "
            f"baseline {results['unigram_accuracy']:.3f}), loss "
            f"{results['masked_lm_loss']:.3f} ({results['unigram_loss']:.3f}), "
            f"perplexity {results['masked_lm_perplexity']:.1f}."
        )

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns a few held-out examples with the model's guesses; see `Task`."""
        return [masked_tokens.samples(model, held_out, seed)]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: fillings, vectors, logits; see `Task`."""
        inputs = text_endpoints.TextInputs(tokenizer, max_seq_length)
        top_k = min(
            self.description.settings.get("top_k", 5), len(tokenizer.vocabulary)
        )
        return {
            "serving_default": text_endpoints.fill_mask(model, inputs, top_k),
            "embed": text_endpoints.embed(model, inputs),
        }

    def open_held_out(self, path: str, vocabulary: Vocabulary) -> ExampleSource:
        """Opens held-out records that hold masks; see `Task`."""
        from bert_tf.data.record_source import RecordSource

        source = RecordSource.open(path, seed=None)
        if source.dataset.parameters.dynamic_masking:
            raise InputError(
                f"{path}: these records hold no masks (--dynamic_masking). Verify with "
                "records that do."
            )
        source.dataset.check_matches(vocabulary=vocabulary)
        return source
