"""Which of several choices fits a text: its continuation, the answer to a question.

A choice is a sequence of its own, `[CLS] text [SEP] choice [SEP]`, and gets a score;
the softmax goes over the choices of one example, of which there may be any number. The
choices of an example stay in one batch for it. All hold the same text, so their lengths
are much alike and padding is small: packing them gains little, and is off by default.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples, join
from bert_tf.labelled.examples import ChoiceExample
from bert_tf.labelled.kinds import MULTIPLE_CHOICE
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics.classification import multiple_choice_metrics, softmax
from bert_tf.models.multiple_choice import MultipleChoice
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.losses import grouped_cross_entropy
from bert_tf.tasks.settings import MultipleChoiceSettings
from bert_tf.tasks.text_endpoints import TextInputs
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class MultipleChoiceTask(LabelledTask):
    """One of the choices of an example; see `MultipleChoiceSettings`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.4.
    """

    name = "multiple_choice"
    kind = MULTIPLE_CHOICE
    settings_type = MultipleChoiceSettings
    usual_best = "accuracy"
    quality = "accuracy"
    shown = {"accuracy": "accuracy"}
    charts = {"accuracy": "Accuracy"}

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> MultipleChoice:
        """Returns a model that scores choices; see `Task`."""
        return MultipleChoice(
            config,
            classifier_dropout=self.description.settings.get("classifier_dropout"),
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Scores choices, each a row, or an example of a packed row; see `Task`.

        Returns:
            `logits`, float32 `[batch, 1]`, of a packed batch `[batch, examples]`.
        """
        return self.inspect(model, batch, training=training, dropout_seed=dropout_seed)

    def inspect(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        **requested: bool,
    ) -> Outputs:
        """Scores choices; see `apply` and `Task`."""
        if "cls_positions" not in batch:
            names = self.input_lengths(1)
            batch = {name: batch[name][:, tf.newaxis] for name in names}
        return model(batch, training=training, dropout_seed=dropout_seed, **requested)

    def texts(self, examples: Sequence[ChoiceExample]) -> dict[str, list[str]]:
        """Returns the texts, and the choices of all of them."""
        return {
            "text": [example.text for example in examples],
            "choices": [choice for example in examples for choice in example.choices],
        }

    def assemble(
        self,
        examples: Sequence[ChoiceExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns each choice beside its text as a sequence; see `LabelledTask`."""
        sizes = [len(example.choices) for example in examples]
        texts = pieces["text"].take(np.repeat(np.arange(len(examples)), sizes))
        encoded = join([texts, pieces["choices"]], vocabulary, self.max_seq_length)
        return encoded.with_groups(sizes)

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns which choices are right, float32 `[choices of all examples]`."""
        for example in examples:
            if example.label is None:
                raise InputError(
                    f"{example.place}: nothing says which choice is right. "
                    "columns.label names the column that does"
                )
        return {
            "is_right": np.array(
                [i == e.label for e in examples for i in range(len(e.choices))],
                np.float32,
            )
        }

    def encode_unlabelled(
        self,
        examples: Sequence[ChoiceExample],
        vocabulary: Vocabulary,
        cache_directory: Path | None,
    ) -> EncodedExamples:
        """Returns examples as ids, any choice marked; see `LabelledTask`.

        By the one that is marked an example is counted.
        """
        marked = [dataclasses.replace(example, label=0) for example in examples]
        encoded = self.encode(marked, vocabulary, cache_directory)
        return encoded.with_targets(**self.targets(marked))

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how many choices there are, and where the right one stands."""
        sizes = [len(example.choices) for example in examples]
        counts = np.bincount([example.label for example in examples])
        shares = ", ".join(f"{share:.1%}" for share in counts / len(examples))
        return [
            f"{min(sizes)} to {max(sizes)} choices; the right one is the first, "
            f"second, ...: {shares}"
        ]

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of examples, each of which has one right choice."""
        return {"example": tf.reduce_sum(batch["example_weights"] * batch["is_right"])}

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the loss while training; held-out choices are scored by `score`."""
        if not training:
            return {"example_loss": tf.zeros([])}
        return {
            "example_loss": grouped_cross_entropy(
                tf.reshape(outputs["logits"], [-1]),
                tf.reshape(batch["group_ids"], [-1]),
                tf.reshape(batch["is_right"], [-1]),
            )
        }

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the score of each choice; see `Task`."""
        return {"scores": tf.reshape(outputs["logits"], [-1])}

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns `multiple_choice_metrics`, and as `loss` their `nll`; see `Task`."""
        assert isinstance(source, LabelledSource)
        sequences, found = source.in_order(predictions["scores"])
        examples, rows = np.unique(
            source.encoded.example_of[sequences], return_inverse=True
        )
        splits = source.encoded.group_splits
        assert splits is not None
        logits = np.full([len(examples), np.diff(splits).max()], -np.inf)
        logits[rows, sequences - splits[examples][rows]] = found
        labels = np.array([source.examples[i].label for i in examples])
        metrics = multiple_choice_metrics(logits, labels)
        return {**metrics, "loss": metrics["nll"]}

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns the accuracy of guessing; see `Task`."""
        assert isinstance(held_out, LabelledSource)
        sizes = [len(example.choices) for example in held_out.examples]
        return {"chance_accuracy": float(np.mean(1 / np.array(sizes)))}

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the likeliest choice, its index from 0, and all probabilities."""
        assert encoded.group_splits is not None
        decoded = []
        for example, scores in zip(
            examples,
            np.split(predictions["scores"], encoded.group_splits[1:-1]),
            strict=True,
        ):
            probabilities = softmax(scores[np.newaxis])[0]
            index = int(probabilities.argmax())
            decoded.append(
                {
                    "index": index,
                    "choice": example.choices[index],
                    "probability": float(probabilities[index]),
                    "probabilities": probabilities.tolist(),
                }
            )
        return decoded

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: text with choices, and ids; see `Task`.

        `serving_default` takes `text`, string `[batch]`, and `choices`, string
        `[batch, choices]`, empty where a text has fewer. It returns `index`, int32
        `[batch]`, of the likeliest choice, its `choice`, string, and `probability`, and
        the `probabilities` of all, float32 `[batch, choices]`.

        `ids` takes a choice a row and returns its score, `logits` `[batch, 1]`.
        """
        inputs = TextInputs(tokenizer, max_seq_length)

        def answer(arguments: Batch) -> Outputs:
            text, choices = arguments["text"], arguments["choices"]
            beside = tf.broadcast_to(text[:, tf.newaxis], tf.shape(choices))
            packed = inputs.pack(tf.reshape(beside, [-1]), tf.reshape(choices, [-1]))
            scores = tf.reshape(self.apply(model, packed)["logits"], tf.shape(choices))
            scores = tf.where(choices == "", scores.dtype.min, scores)
            probabilities = tf.nn.softmax(scores)
            index = tf.argmax(scores, axis=-1, output_type=tf.int32)
            return {
                "index": index,
                "choice": tf.gather(choices, index, batch_dims=1),
                "probability": tf.reduce_max(probabilities, axis=-1),
                "probabilities": probabilities,
            }

        specs = {
            "text": tf.TensorSpec([None], tf.string, name="text"),
            "choices": tf.TensorSpec([None, None], tf.string, name="choices"),
        }
        return {
            "serving_default": Endpoint(specs, answer),
        }
