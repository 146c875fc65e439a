"""A vector for each text: search, similarity, clusters.

Training pulls the two texts of a pair together and pushes the first from the second
texts of all other pairs of its batch: the larger the batch, the more it learns from.
What one replica computes at once is the batch in this sense, `global_batch_size`
divided by replicas and `accumulation_steps`; more of either means fewer negatives,
another loss and another model. Evaluation knows nothing of it: it compares every
held-out pair with all others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples, join
from bert_tf.labelled.examples import RegressionExample
from bert_tf.labelled.kinds import PAIRS
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import retrieval
from bert_tf.models.sentence_encoder import SentenceEncoder
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.losses import in_batch_contrastive_loss
from bert_tf.tasks.settings import EmbeddingSettings
from bert_tf.tasks.text_endpoints import TextInputs, text_specs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class EmbeddingTask(LabelledTask):
    """A vector a text; see `EmbeddingSettings`.

    Held-out pairs without scores are searched for among each other; `best_metric` may
    also be `cosine_spearman`, and then held-out pairs need scores.

    Source: Reimers and Gurevych 2019 (arXiv:1908.10084); Henderson et al. 2017
    (arXiv:1705.00652), section 4, for the loss.
    """

    name = "embedding"
    kind = PAIRS
    settings_type = EmbeddingSettings
    usual_best = "accuracy_at_1"
    losses = ("pair",)

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        self._settings = EmbeddingSettings.stated_in(description.settings).validate()
        self.scored = self.best.metric.startswith("cosine_")
        self.quality = "cosine_spearman" if self.scored else "accuracy_at_1"
        label = "Spearman of the cosine" if self.scored else "accuracy at 1"
        self.shown = {self.quality: label}
        self.charts = {self.quality: label.capitalize()}

    @classmethod
    def describe(
        cls,
        settings: EmbeddingSettings,
        examples: Sequence[RegressionExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Checks that the examples are pairs that belong together."""
        for example in examples:
            if example.value is not None:
                raise InputError(
                    f"{example.place}: pairs to train on belong together, and have no "
                    f"score. Received: {example.value}. Take those that are alike, "
                    "without the column; pairs with scores can be evaluated on, with "
                    "--config.task.best_metric=cosine_spearman"
                )
        return super().describe(settings, examples, max_seq_length)

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> SentenceEncoder:
        """Returns an encoder that pools; see `Task`."""
        return SentenceEncoder(
            config,
            self._settings.pooling,
            self._settings.normalize,
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    def texts(self, examples: Sequence[RegressionExample]) -> dict[str, list[str]]:
        """Returns the texts, both of a pair one after the other."""
        return {"text": [text for example in examples for text in example.key]}

    def assemble(
        self,
        examples: Sequence[RegressionExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns each text as a sequence of its own; see `LabelledTask`."""
        encoded = join(list(pieces.values()), vocabulary, self.max_seq_length)
        return encoded.with_groups([len(example.key) for example in examples])

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns which sequence is the second of its pair, float32 `[sequences]`.

        Raises:
            InputError: an example is no pair, or has a score that the metric has no use
                for.
        """
        for example in examples:
            if example.value is not None and not self.scored:
                raise InputError(
                    f"{example.place}: pairs with scores are evaluated with "
                    "--config.task.best_metric=cosine_spearman. Received: a score and "
                    f"the metric {self.best.metric!r}, which takes all pairs for alike"
                )
            if example.text_pair is None:
                raise InputError(
                    f"{example.place}: embeddings are learned and evaluated on pairs. "
                    "Received: one text. columns.text_pair names the second column"
                )
        return {"is_second": np.tile(np.array([0, 1], np.float32), len(examples))}

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how many pairs are wrong negatives of each other."""
        count = len(examples) - len({example.text_pair for example in examples})
        if not count:
            return []
        return [
            f"warning: {count:,} second texts occur more than once; where two of one "
            "kind meet in a batch, each is pushed from the other's first text"
        ]

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of pairs; see `Task`."""
        return {
            "pair": tf.reduce_sum(batch["example_weights"] * (1 - batch["is_second"]))
        }

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the loss while training; held-out pairs are scored by `score`."""
        if not training:
            return {"pair_loss": tf.zeros([])}
        vectors = outputs["sentence_embedding"]
        return {
            "pair_loss": in_batch_contrastive_loss(
                tf.reshape(vectors, [-1, vectors.shape[-1]]),
                tf.reshape(batch["group_ids"], [-1]),
                tf.reshape(batch["is_second"], [-1]) > 0,
                self._settings.temperature,
            )
        }

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the vectors; see `Task`."""
        return {"sentence_embedding": outputs["sentence_embedding"]}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Compares every pair with all others, or its cosine with its score.

        Returns:
            `retrieval_metrics` and, as `loss`, the mean negative log-likelihood of the
            right one among all second texts, in nats; or `similarity_metrics` and, as
            `loss`, the mean squared difference of cosine and score, scores scaled to 0
            to 1.
        """
        assert isinstance(source, LabelledSource)
        sequences, found = source.in_order(predictions["sentence_embedding"])
        vectors = np.zeros([len(source.encoded), found.shape[-1]], np.float32)
        vectors[sequences] = found
        # Of a pair at the end of a beginning one half may be missing.
        pairs = np.flatnonzero(np.bincount(sequences // 2) == 2)
        first, second = vectors[2 * pairs], vectors[2 * pairs + 1]
        if not self.scored:
            loss = retrieval.contrastive_loss(first, second, self._settings.temperature)
            return {"loss": loss, **retrieval.retrieval_metrics(first, second)}
        examples = [source.examples[pair] for pair in pairs]
        for example in examples:
            if example.value is None:
                raise InputError(
                    f"{example.place}: {self.best.metric} compares with scores, and "
                    "this pair has none. columns.value names their column"
                )
        scores = np.array([example.value for example in examples])
        scaled = (scores - scores.min()) / (np.ptp(scores) or 1.0)
        errors = retrieval.cosines(first, second) - scaled
        return {
            "loss": float(np.mean(np.square(errors))),
            **retrieval.similarity_metrics(first, second, scores),
        }

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns what any order of the second texts would find; see `Task`."""
        if self.scored:
            return {}
        return {"chance_accuracy_at_1": 2 / held_out.num_examples}

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the vector of each text; of pairs both, and their cosine."""
        vectors = iter(predictions["sentence_embedding"])
        decoded: list[dict[str, Any]] = []
        for example in examples:
            first = next(vectors)
            row: dict[str, Any] = {"embedding": first.tolist()}
            if example.text_pair is not None:
                second = next(vectors)
                cosine = retrieval.cosines(first[None], second[None])[0]
                row |= {"embedding_pair": second.tolist(), "cosine": float(cosine)}
            decoded.append(row)
        return decoded

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: text and ids; see `Task`.

        `serving_default` takes `text`, string `[batch]`, and returns
        `sentence_embedding`, float32 `[batch, hidden]`, as `serve_ids` does.
        """
        inputs = TextInputs(tokenizer, max_seq_length)
        return {
            "serving_default": Endpoint(
                text_specs("text"),
                lambda arguments: self.apply(model, inputs.pack(arguments["text"])),
            ),
        }
