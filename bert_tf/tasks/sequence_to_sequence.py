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
from bert_tf.generation.config import GenerationConfig
from bert_tf.generation.results import Generated
from bert_tf.labelled.encoded import EncodedExamples, join
from bert_tf.labelled.examples import GenerationExample
from bert_tf.labelled.kinds import GENERATION
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.target_sequences import TargetSequences
from bert_tf.labelled.tokenized import tokenize_cached
from bert_tf.models.encoder_decoder import EncoderDecoder
from bert_tf.reporting.sections import Section
from bert_tf.tasks import decoders, writing, written_texts
from bert_tf.tasks.endpoint import Batch, Endpoint
from bert_tf.tasks.next_token import NextTokenTask, text_sizes
from bert_tf.tasks.sequence_task import has_pairs, texts_of
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.tasks.text_endpoints import TextInputs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class SequenceToSequenceTask(NextTokenTask):
    """A text written of a text, or a pair; see `SequenceToSequenceSettings`.

    A target is fed to the decoder as [CLS] and its pieces; it learns the pieces and
    [SEP], which ends what is written.

    Source: Rothe et al. 2020 (arXiv:1907.12461).
    """

    name = "sequence_to_sequence"
    kind = GENERATION
    settings_type = SequenceToSequenceSettings
    labels = "decoder_labels"
    shown = {**NextTokenTask.shown, **writing.SHOWN}
    charts = {**NextTokenTask.charts, **writing.SHOWN}

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

    def generation_settings(
        self, given: Mapping[str, Any], positions: int
    ) -> dict[str, Any]:
        """Returns settings of a search, by default as long as was trained on.

        Args:
            given: fields of `GenerationConfig`, words as texts.
            positions: of the decoder; of one that was trained elsewhere there may be
                fewer than the length says.
        """
        # [CLS] is counted among what was trained on, and not chosen.
        longest = min(self.settings.max_target_length, positions) - 1
        return {"max_new_tokens": longest, **given}

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
        return {
            **super().input_lengths(max_seq_length),
            "decoder_input_ids": self.settings.max_target_length - 1,
        }

    # Its examples.

    def texts(self, examples: Sequence[GenerationExample]) -> dict[str, list[str]]:
        """Returns the texts that something is written of; see `LabelledTask`."""
        return texts_of(examples, self.description.settings.get("pairs"))

    def assemble(
        self,
        examples: Sequence[GenerationExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns what something is written of as ids; see `LabelledTask`."""
        return join(list(pieces.values()), vocabulary, self.max_seq_length)

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
        sizes = text_sizes([target or "" for target in targets], written.kept)
        return dataclasses.replace(encoded, written=written).with_targets(**sizes)

    def num_tokens(self, batch: Batch) -> tf.Tensor:
        """Returns how many tokens are read and written; see `Task`."""
        written = tf.cast(batch["decoder_labels"] >= 0, batch["input_mask"].dtype)
        return tf.reduce_sum(batch["input_mask"]) + tf.reduce_sum(written)

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

    @staticmethod
    def predicted(encoded: EncodedExamples) -> np.ndarray:
        """Returns all tokens that are to be predicted; see `NextTokenTask`."""
        written = encoded.written
        assert written is not None
        first = np.zeros(len(written.ids), bool)
        first[written.starts[:-1]] = True
        return written.ids[~first]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures that write, see `written_texts`.

        The setting `generation` of the description holds those of the search.
        """
        assert isinstance(model, EncoderDecoder)
        settings = self.description.settings
        written = BertTokenizer(self.target_vocabulary(tokenizer.vocabulary))
        decoder = model.decoder_config
        given = settings.get("generation") or {}
        config = written_texts.generation_config(
            self.generation_settings(given, decoder.max_position_embeddings),
            written,
            decoder,
        )
        inputs = TextInputs(tokenizer, max_seq_length)
        names = ["text", "text_pair"] if settings.get("pairs") else ["text"]

        def find(arguments: Batch, config: GenerationConfig) -> Generated:
            packed = inputs.pack(*(arguments[name] for name in names))
            return written_texts.write_from(model, packed, written.vocabulary, config)

        return written_texts.endpoints(names, find, written, config)
