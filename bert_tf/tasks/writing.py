"""What a model writes of held-out examples, to be scored beside what people wrote."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from bert_tf.generation.config import GenerationConfig
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics.generation import translation_metrics
from bert_tf.metrics.squad import squad_v1_metrics
from bert_tf.metrics.summarization import rouge_metrics
from bert_tf.reporting.sections import Section, Table, Text
from bert_tf.tasks.endpoint import Batch
from bert_tf.tasks.written_texts import write_from
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

SHOWN = {"chrf": "chrF", "bleu": "BLEU", "rougeL": "ROUGE-L"}

_ROUGE = ("rouge1", "rouge2", "rougeL")
# Which examples are written for, and which are shown.
_SEED = 0
_SAMPLES = 10


@dataclasses.dataclass(frozen=True)
class Writing:
    """How texts are written of held-out examples, and what they are compared with.

    The likeliest token of each step is taken, so that nothing depends on chance.

    Attributes:
        source: the examples, with what people wrote of them.
        vocabulary: of what is written.
        config: the search.
        inputs: names of what the model reads.
    """

    inputs: ClassVar[tuple[str, ...]] = ("input_ids", "input_mask", "segment_ids")

    source: LabelledSource
    vocabulary: Vocabulary
    config: GenerationConfig

    @classmethod
    def of(
        cls, held_out: LabelledSource, most_examples: int, max_new_tokens: int
    ) -> "Writing | None":
        """Returns what is written of held-out examples.

        Args:
            held_out: the examples.
            most_examples: so many of them, drawn at random; the same ones every time.
            max_new_tokens: of each text, the end counted.

        Returns:
            None if nothing is to be written.
        """
        written = held_out.encoded.written
        if not most_examples or written is None:
            return None
        source = held_out.sample(most_examples, _SEED)
        config = GenerationConfig(max_new_tokens=max_new_tokens).validate()
        return cls(source, written.vocabulary, config)

    def write(self, model: Any, batch: Batch) -> tf.Tensor:
        """Returns what a model writes, int32 `[batch, max_new_tokens]`.

        Args:
            model: a `decoder_protocol.Decoder` with its weights.
            batch: of the source.
        """
        inputs = {name: batch[name] for name in self.inputs}
        return write_from(model, inputs, self.vocabulary, self.config).token_ids[:, 0]

    def pairs(self, token_ids: np.ndarray) -> tuple[list[str], list[str]]:
        """Returns texts that were written, and what people wrote of the same.

        Args:
            token_ids: of `write`, for the first positions of the source.
        """
        found, values = self.source.in_order(token_ids)
        tokenizer = BertTokenizer(self.vocabulary)
        written = [tokenizer.written_text(ids) for ids in values.tolist()]
        return written, [self.source.examples[i].target for i in found.tolist()]

    def score(self, token_ids: np.ndarray) -> dict[str, float]:
        """Scores what was written.

        BLEU and chrF are those of `translation_metrics`, in lower case if the model
        knows no other; `exact_match` and `f1` those of SQuAD, of texts split into the
        words of the model's tokenizer, whose blanks are not those of people.

        Args:
            token_ids: see `pairs`.
        """
        written, references = self.pairs(token_ids)
        tokenizer = BertTokenizer(self.vocabulary)
        words = tokenizer.tokenize(references).to_list()
        answers = [[tokenizer.written_text(ids)] for ids in words]
        rouge = rouge_metrics(written, references)
        return {
            **self._translation(written, references).values,
            **{name: rouge[name] for name in _ROUGE},
            **squad_v1_metrics(written, answers),
        }

    def _translation(self, written: Sequence[str], references: Sequence[str]) -> Any:
        lower_case = self.vocabulary.config.do_lower_case
        return translation_metrics(written, references, lower_case=lower_case)

    def section(self, model: keras.Model, seed: int) -> Section:
        """Returns texts drawn at random, for the report.

        Args:
            model: with its weights.
            seed: of what is drawn.
        """
        sample = self.source.sample(_SAMPLES, seed)
        writing = dataclasses.replace(self, source=sample)
        batch = sample.reader(replica_batch_size=sample.num_examples).read(0, 1)
        inputs = {name: tf.constant(batch[name][0, 0]) for name in self.inputs}
        write = tf.function(lambda batch: writing.write(model, batch), autograph=False)
        ids = write(inputs).numpy()
        written, references = writing.pairs(ids)
        found, _ = sample.in_order(ids)
        texts = [" | ".join(sample.examples[i].key) for i in found.tolist()]
        signatures = self._translation(written, references).signatures
        count = self.source.num_examples
        return Section(
            "Held-out texts",
            [
                Text(
                    f"Scored: {count:,} examples, written by the likeliest token. "
                    + "; ".join(f"{n}: {value}" for n, value in signatures.items())
                ),
                Table(
                    [list(row) for row in zip(texts, references, written, strict=True)],
                    ["text", "reference", "written"],
                    "Examples drawn at random",
                ),
            ],
        )
