"""From a text to another text: translation, summaries, answers in free words."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED, EncodedExamples, join
from bert_tf.labelled.examples import GenerationExample
from bert_tf.labelled.reading import GENERATION
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.target_sequences import TargetSequences
from bert_tf.labelled.tokenized import tokenize_cached
from bert_tf.models.encoder_decoder import EncoderDecoder
from bert_tf.reporting.sections import Section
from bert_tf.tasks import decoders, next_token, writing, written_texts
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.masked_tokens import unigram_baseline
from bert_tf.tasks.random_start import load_start
from bert_tf.tasks.sequence_task import has_pairs
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.tasks.text_endpoints import TextInputs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

# Of models that do not say on how many tokens they were trained.
_MAX_SEQ_LENGTH = 512


class SequenceToSequenceTask(LabelledTask):
    """A text written of a text, or a pair; see `SequenceToSequenceSettings`.

    A target is fed to the decoder as [CLS] and its pieces; it learns the pieces and
    [SEP], which ends what is written.

    Source: Rothe et al. 2020 (arXiv:1907.12461).
    """

    name = "sequence_to_sequence"
    kind = GENERATION
    settings_type = SequenceToSequenceSettings
    usual_best = "loss"
    quality = "token_accuracy"
    shown = {**next_token.SHOWN, **writing.SHOWN}
    charts = {**next_token.CHARTS, **writing.SHOWN}

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        if "classifier_dropout" in description.settings:
            raise InputError(
                "`classifier_dropout`: nothing is dropped before tokens are scored. "
                "Leave it at -1.0; `hidden_dropout_prob` holds for the blocks."
            )
        fields = {field.name for field in dataclasses.fields(self.settings_type)}
        values = description.settings.items()
        self.settings = SequenceToSequenceSettings(
            **{name: value for name, value in values if name in fields}
        ).validate()

    @classmethod
    def describe(
        cls,
        settings: SequenceToSequenceSettings,
        examples: Sequence[GenerationExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Returns the task of these settings; see `LabelledTask`."""
        return TaskDescription(
            settings.name,
            max_seq_length,
            settings={**dataclasses.asdict(settings), "pairs": has_pairs(examples)},
        )

    @classmethod
    def load_start(
        cls, settings: SequenceToSequenceSettings, init_from: str
    ) -> ModelWeights:
        """Returns a checkpoint's weights, or a size without any."""
        return load_start(settings.size, init_from)

    @classmethod
    def for_checkpoint(
        cls, description: TaskDescription, weights: ModelWeights
    ) -> TaskDescription:
        """Returns a description with that of the decoder; see `decoders`."""
        weights.check_post_norm("init_from")
        settings = cls(description).settings
        return description.with_settings(**decoders.describe_decoder(settings, weights))

    def initial_variables(self, weights: ModelWeights) -> Mapping[str, np.ndarray]:
        """Returns the weights that encoder and decoder start from."""
        return decoders.initial_variables(self.settings, weights)

    def target_vocabulary(self, vocabulary: Vocabulary) -> Vocabulary:
        """Returns the vocabulary of what is written.

        Args:
            vocabulary: the encoder's.
        """
        return (
            decoder_description.vocabulary_of(self.description.settings) or vocabulary
        )

    def generation_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns settings of a search, by default as long as was trained on.

        Args:
            given: fields of `GenerationConfig`, words as texts.
        """
        # [CLS] is counted among what was trained on, and not chosen.
        return {"max_new_tokens": self.settings.max_target_length - 1, **given}

    # The model.

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> EncoderDecoder:
        """Returns an encoder and a decoder, whose dropout is the same; see `Task`."""
        decoder = decoder_description.config_of(self.description.settings)
        if decoder is not None:
            decoder = dataclasses.replace(
                decoder,
                hidden_dropout_prob=config.hidden_dropout_prob,
                attention_probs_dropout_prob=config.attention_probs_dropout_prob,
            )
        return EncoderDecoder(
            config,
            decoder,
            self.description.settings.get("shared") or "nothing",
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    def input_lengths(self, max_seq_length: int) -> dict[str, int]:
        """Returns the length of each of the model's inputs; see `Task`."""
        names = ("input_ids", "input_mask", "segment_ids")
        return {
            **dict.fromkeys(names, max_seq_length),
            "decoder_input_ids": self.settings.max_target_length - 1,
        }

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model; where there are labels without making the large logits."""
        labels = batch.get("decoder_labels")
        if labels is not None:
            labels = tf.maximum(labels, 0), next_token.label_weights(labels)
        return model(
            batch,
            training=training,
            dropout_seed=dropout_seed,
            labels=labels,
            label_smoothing=self.settings.label_smoothing if training else 0.0,
        )

    # Its examples.

    def texts(self, examples: Sequence[GenerationExample]) -> dict[str, list[str]]:
        """Returns the texts that something is written of; see `LabelledTask`."""
        texts = {"text": [example.text for example in examples]}
        if self.description.settings.get("pairs") or has_pairs(examples):
            texts["text_pair"] = [example.text_pair or "" for example in examples]
        return texts

    def assemble(
        self,
        examples: Sequence[GenerationExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns what something is written of as ids; see `LabelledTask`."""
        length = self.description.max_seq_length or _MAX_SEQ_LENGTH
        return join(list(pieces.values()), vocabulary, length)

    def encode(
        self,
        examples: Sequence[GenerationExample],
        vocabulary: Vocabulary,
        cache_directory: Path | None = None,
    ) -> EncodedExamples:
        """Returns examples as ids, with what is written if all have it."""
        encoded = super().encode(examples, vocabulary, cache_directory)
        targets = [example.target for example in examples]
        if not targets or None in targets:
            return encoded
        target_vocabulary = self.target_vocabulary(vocabulary)
        tokenized = tokenize_cached(
            {"target": targets},  # type: ignore[dict-item]
            target_vocabulary,
            cache_directory,
        )
        written = TargetSequences.build(
            tokenized.pieces["target"],
            target_vocabulary,
            self.settings.max_target_length,
        )
        sizes = next_token.text_sizes(
            [target or "" for target in targets], written.kept
        )
        return dataclasses.replace(encoded, written=written).with_targets(**sizes)

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: `encode` gives what is written, and its sizes."""
        return {}

    # Its loss.

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses."""
        return ("token",)

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the other sums; see `next_token`."""
        return next_token.COUNTS

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of tokens to write; see `Task`."""
        weights = next_token.label_weights(batch["decoder_labels"])
        return {"token": tf.reduce_sum(weights)}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        labels = np.where(real[..., None] > 0, batch["decoder_labels"], IGNORED)
        return {**super().leave_out(batch, real), "decoder_labels": labels}

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the cross-entropy of the tokens; see `Task`."""
        sizes = None if training else next_token.held_out_sizes(batch)
        return next_token.sums(outputs, batch["decoder_labels"], sizes)

    def num_tokens(self, batch: Batch) -> tf.Tensor:
        """Returns how many tokens are read and written; see `Task`."""
        written = tf.cast(batch["decoder_labels"] >= 0, batch["input_mask"].dtype)
        return tf.reduce_sum(batch["input_mask"]) + tf.reduce_sum(written)

    def summarize(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Divides sums once, and adds perplexities; see `Task`."""
        return super().summarize(sums) | next_token.perplexities_of(sums)

    def writing(self, held_out: ExampleSource) -> writing.Writing | None:
        """Returns what is written of held-out examples; see `Task`."""
        assert isinstance(held_out, LabelledSource)
        longest = self.settings.max_target_length - 1  # [CLS] is not chosen.
        most = self.settings.max_written_examples
        return writing.Writing.of(held_out, most, longest)

    # What people see of it.

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns some of what the model writes, drawn at random."""
        found = self.writing(held_out)
        return [] if found is None else [found.section(model, seed)]

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how long texts and targets are."""
        sizes = [
            (len(" ".join(example.key).split()), len(example.target.split()))
            for example in examples
        ]
        texts, targets = np.array(sizes).T
        return [
            f"{np.mean(texts):.1f} words a text, {np.mean(targets):.1f} a target, "
            f"divided by blanks; the longest target has {targets.max():,}"
        ]

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what token frequencies alone would score; see `Task`."""
        counts = []
        for source in (train, held_out):
            assert isinstance(source, LabelledSource)
            written = source.encoded.written
            assert written is not None
            first = np.zeros(len(written.ids), bool)
            first[written.starts[:-1]] = True
            counts.append(written.ids[~first])
        return unigram_baseline(*next_token.counts_of(*counts))

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Raises an InputError: such a model writes, which is another job."""
        raise InputError(next_token.WRITES)

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures that write, see `written_texts`.

        The setting `generation` of the description holds those of the search.
        """
        assert isinstance(model, EncoderDecoder)
        settings = self.description.settings
        written = BertTokenizer(self.target_vocabulary(tokenizer.vocabulary))
        config = written_texts.generation_config(
            self.generation_settings(settings.get("generation") or {}),
            written,
            model.decoder_config,
        )
        return written_texts.endpoints(
            model,
            TextInputs(tokenizer, max_seq_length),
            ["text", "text_pair"] if settings.get("pairs") else ["text"],
            written,
            config,
        )
