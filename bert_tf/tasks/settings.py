"""What a configuration can say of a labelled task. Free of TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from bert_tf.config import SIZES, check

WRITING_TASKS = ("sequence_to_sequence", "causal_lm")
"""Tasks whose models write texts."""

# Of metrics, all others get better as they grow.
LOWER_IS_BETTER = (
    *("loss", "nll", "ece", "mse", "mae", "token_loss"),
    *("perplexity", "word_perplexity", "bits_per_byte"),
)


@dataclasses.dataclass
class TaskSettings:
    """What all labelled tasks have.

    Attributes:
        best_metric: the held-out metric by which the best checkpoint is chosen and
            training stops early; empty for the task's usual one.
    """

    name: ClassVar[str] = ""

    best_metric: str = ""

    @classmethod
    def stated_in(cls, values: Mapping[str, Any]) -> Self:
        """Returns the settings that a trained model has, not validated.

        Args:
            values: of a task's description: any number of these, and others.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        return self


@dataclasses.dataclass
class ClassificationSettings(TaskSettings):
    """One class a text, or a pair of texts.

    Attributes:
        labels: names in the order wanted; empty for those of the training data,
            sorted.
        label_smoothing: share of a label's weight that is spread over all classes.
        class_weights: whether every class counts the same, however rare it is.
    """

    name: ClassVar[str] = "classification"

    labels: tuple[str, ...] = ()
    label_smoothing: float = 0.0
    class_weights: bool = False

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        smoothing = self.label_smoothing
        check(self, "label_smoothing", 0 <= smoothing < 1, "in [0, 1)")
        return super().validate()


@dataclasses.dataclass
class FillMaskSettings:
    """Which words [MASK] may stand for.

    Attributes:
        top_k: entries of the vocabulary for each [MASK], the likeliest ones.
    """

    top_k: int = 5

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "top_k", self.top_k >= 1, "at least 1")
        return self


@dataclasses.dataclass
class MultiLabelSettings(TaskSettings):
    """Any number of labels a text, or a pair of texts.

    Attributes:
        labels: names in the order wanted; empty for those of the training data,
            sorted.
        threshold: probability from which a label applies.
    """

    name: ClassVar[str] = "multi_label"

    labels: tuple[str, ...] = ()
    threshold: float = 0.5

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "threshold", 0 < self.threshold < 1, "in (0, 1)")
        return super().validate()


@dataclasses.dataclass
class RegressionSettings(TaskSettings):
    """A number for a text, or a pair of texts: a rating, a similarity."""

    name: ClassVar[str] = "regression"


@dataclasses.dataclass
class EmbeddingSettings(TaskSettings):
    """A vector for each text, learned from pairs that belong together.

    Attributes:
        pooling: `cls`, the last hidden state at [CLS]; `pooler`, what the pooler makes
            of it; `mean` or `max` of the last hidden states.
        normalize: whether vectors have length 1, so that products are cosines.
        temperature: by which cosines are divided in the loss: the smaller, the more
            the nearest of the wrong texts counts.
    """

    name: ClassVar[str] = "embedding"

    pooling: str = "mean"
    normalize: bool = True
    temperature: float = 0.05

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        poolings = ("cls", "pooler", "mean", "max")
        check(self, "pooling", self.pooling in poolings, f"one of {poolings}")
        check(self, "temperature", self.temperature > 0, "positive")
        return super().validate()


@dataclasses.dataclass
class CausalLmSettings(TaskSettings):
    """What comes next in a text, for text that goes on.

    Attributes:
        size: a released size, such as `mini`, for a model that starts at random with
            the vocabulary of `init_from`, which is then a checkpoint, a folder with a
            `vocab.txt` or that file; empty for the checkpoint's shape and weights.
        norm_first: whether LayerNorms come first, as GPT-2's do, and not as BERT's.
    """

    name: ClassVar[str] = "causal_lm"

    size: str = ""
    norm_first: bool = False

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        sizes = ("", *SIZES)
        check(self, "size", self.size in sizes, f"empty or one of {sizes[1:]}")
        return super().validate()


DECODERS = ("warm_start", "random", "shared")


@dataclasses.dataclass
class SequenceToSequenceSettings(TaskSettings):
    """From a text, or a question and a passage, to another text.

    Of a checkpoint that is an encoder and a decoder already, `warm_start` takes both as
    they are.

    Attributes:
        size: see `CausalLmSettings`; the decoder is then of this size too.
        max_target_length: most tokens to write, [CLS] and [SEP] included; what is
            longer in the training data is cut.
        decoder: what it starts from. `warm_start`: the weights of the checkpoint, but
            for cross-attention; `random`: nothing but the checkpoint's shape; `shared`:
            the encoder's weights are its own, but for cross-attention and head.
        decoder_from: a checkpoint of the decoder's own, with the vocabulary of what is
            written; empty for the run's `init_from`.
        num_decoder_layers: the first so many of the decoder's checkpoint; 0 for all.
        tie_word_embeddings: whether encoder and decoder have one table of words.
        label_smoothing: share of a token's weight that is spread over the vocabulary.
        max_written_examples: an evaluation writes texts for so many of the held-out
            examples and scores them: chrF, BLEU, ROUGE, exact match and F1; 0 for none.
    """

    name: ClassVar[str] = "sequence_to_sequence"

    size: str = ""
    max_target_length: int = 128
    decoder: str = "warm_start"
    decoder_from: str = ""
    num_decoder_layers: int = 0
    tie_word_embeddings: bool = False
    label_smoothing: float = 0.1
    max_written_examples: int = 200

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        written = self.max_written_examples
        check(self, "max_written_examples", written >= 0, "at least 0")
        check(self, "max_target_length", self.max_target_length >= 3, "at least 3")
        check(self, "decoder", self.decoder in DECODERS, f"one of {DECODERS}")
        sizes = ("", *SIZES)
        check(self, "size", self.size in sizes, f"empty or one of {sizes[1:]}")
        layers, smoothing = self.num_decoder_layers, self.label_smoothing
        check(self, "num_decoder_layers", layers >= 0, "at least 0")
        check(self, "label_smoothing", 0 <= smoothing < 1, "in [0, 1)")
        if self.decoder == "shared":
            for name in ("decoder_from", "num_decoder_layers"):
                own = getattr(self, name)
                check(self, name, not own, "left out where the encoder is shared")
        return super().validate()


@dataclasses.dataclass
class TokenClassificationSettings(TaskSettings):
    """A tag a word: named entities in IOB2, or parts of speech."""

    name: ClassVar[str] = "token_classification"


@dataclasses.dataclass
class QuestionAnsweringSettings(TaskSettings):
    """An answer that stands in a text; perhaps none, where the training data says so.

    Attributes:
        doc_stride: pieces from the start of a window of a long text to the next one's.
        max_query_length: pieces of a question at most.
        max_answer_length: pieces of an answer at most.
        n_best_size: answers that are kept, and positions tried in each window.
        null_score_diff_threshold: by how much having no answer must lead the best
            answer for none to be given.
    """

    name: ClassVar[str] = "question_answering"

    doc_stride: int = 128
    max_query_length: int = 64
    max_answer_length: int = 30
    n_best_size: int = 20
    null_score_diff_threshold: float = 0.0

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name in (
            *("doc_stride", "max_query_length", "max_answer_length", "n_best_size"),
        ):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        return super().validate()


@dataclasses.dataclass
class MultipleChoiceSettings(TaskSettings):
    """Which of several choices fits a text."""

    name: ClassVar[str] = "multiple_choice"


@dataclasses.dataclass
class ExtractiveSummarizationSettings(TaskSettings):
    """Which sentences of a document make its summary.

    Attributes:
        max_sentences: how many are taken at most. How many are learned of a document
            with a summary is another setting, `data.reading.max_summary_sentences`.
        block_trigrams: whether a sentence is passed over that shares three words in a
            row with one that was taken.
        num_inter_sentence_layers: transformer blocks in which the sentences of a window
            look at each other before they are scored.
    """

    name: ClassVar[str] = "extractive_summarization"

    max_sentences: int = 3
    block_trigrams: bool = True
    num_inter_sentence_layers: int = 0

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "max_sentences", self.max_sentences >= 1, "at least 1")
        layers = self.num_inter_sentence_layers
        check(self, "num_inter_sentence_layers", layers >= 0, "at least 0")
        return super().validate()
