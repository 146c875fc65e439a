"""A trained model that answers or writes: `bert_tf.load(path).predict([...])`."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError, validated
from bert_tf.labelled.columns import ColumnFinder, ColumnNames
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import Example, Place
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.values import unicode_text
from bert_tf.models.variables import assign_variables
from bert_tf.prediction.continuation_generator import ContinuationGenerator
from bert_tf.prediction.generator import Generator
from bert_tf.prediction.pair_generator import PairGenerator
from bert_tf.storage.json_files import from_dict
from bert_tf.tasks.catalog import create_predicting_task
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.inference import BATCH_SIZE, Inference
from bert_tf.tasks.predicting_task import PredictingTask
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.text.vocabulary import Vocabulary


class Predictor:
    """A task, its model and its vocabulary.

    Args:
        task: what the model was trained for.
        model: with its weights.
        vocabulary: of the model.

    Attributes:
        task: the same.
        model: the same.
        vocabulary: the same.
    """

    def __init__(
        self, task: PredictingTask, model: keras.Model, vocabulary: Vocabulary
    ):
        self.task = task
        self.model = model
        self.vocabulary = vocabulary
        self._inference = Inference(task, model)

    def generator(self, **settings: Any) -> Generator:
        """Returns what writes with this model; see `Generator`.

        Raises:
            InputError: the model does not write, or the settings cannot be.
        """
        if isinstance(self.task, SequenceToSequenceTask):
            return PairGenerator(self.task, self.model, self.vocabulary, settings)
        if isinstance(self.task, CausalLmTask):
            return ContinuationGenerator(
                self.task, self.model, self.vocabulary, settings
            )
        raise InputError(
            f"A model for {self.task.name!r} writes no texts: use `predict`, or "
            "`python -m bert_tf.run_prediction`."
        )

    def generate_stream(self, text: Any, **settings: Any) -> Iterator[str]:
        """Yields what the model writes for one input, part by part, as it is chosen.

        The search is compiled anew for each call: for many calls, keep a `generator`
        and use its `stream`.

        Args:
            text: an input; see `predict`.
            **settings: see `generate`; without beams.

        Raises:
            InputError: see `generate`.
        """
        return self.generator(**settings).stream(self.example(text))

    def generate(
        self, inputs: Sequence[Any], batch_size: int = BATCH_SIZE, **settings: Any
    ) -> list[dict[str, Any]]:
        """Returns what the model writes for each input.

        The search is compiled anew for each call: for many calls, keep a `generator`.

        Args:
            inputs: see `predict`.
            batch_size: how many run at once.
            **settings: of the search, such as `num_beams=4`: the fields of
                `GenerationConfig`, words as texts.

        Returns:
            One dictionary of plain values an input, in their order; see
            `Generator.run`.

        Raises:
            InputError: the model does not write, a setting that cannot be, or an input
                of another kind than the task takes.
        """
        generator = self.generator(**settings)
        examples = self._examples(inputs)
        return generator.run(examples, batch_size)

    def predict(
        self, inputs: Sequence[Any], batch_size: int = BATCH_SIZE
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each input.

        Args:
            inputs: texts; pairs of texts; lists of a document's sentences; or
                dictionaries with the names that a file's columns have,
                `{"question": ..., "context": ...}`.
            batch_size: how many of 64 tokens run at once: more of shorter ones, fewer
                of longer ones.

        Returns:
            One dictionary of plain values an input, in their order; the keys depend on
            the task.

        Raises:
            InputError: an input of another kind than the task takes.
        """
        examples = self._examples(inputs)
        return self.predict_examples(examples, batch_size)

    def predict_examples(
        self, examples: Sequence[Example], batch_size: int = BATCH_SIZE
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each example; see `predict`."""
        if not examples:
            return []
        return self.task.decode(examples, *self.outputs(examples, batch_size))

    def outputs(
        self, examples: Sequence[Example], batch_size: int = BATCH_SIZE
    ) -> tuple[EncodedExamples, Mapping[str, np.ndarray]]:
        """Returns the examples as ids, and the task's raw predictions.

        These are name -> `[sequences, ...]`. A sequence is an example or, for long
        texts, a window of one.
        """
        encoded = self.task.encode(examples, self.vocabulary)
        length = int(encoded.lengths.max())
        source = LabelledSource(encoded, length, seed=None, examples=examples)
        found = self._inference.run(source, batch_size)
        predictions = {n: source.in_order(values)[1] for n, values in found.items()}
        return encoded, predictions

    def _examples(self, inputs: Sequence[Any]) -> list[Example]:
        # Of these, each letter and each key would be an input.
        if isinstance(inputs, str | Mapping):
            raise InputError(
                "`inputs` must be a list, of a single input too. Received: "
                f"{inputs!r:.80}"
            )
        return [self.example(value, n) for n, value in enumerate(inputs, start=1)]

    def example(self, value: Any, number: int = 1) -> Example:
        """Returns an input as an example.

        Args:
            value: see `predict`.
            number: what messages call it by.

        Raises:
            InputError: it is of another kind than the task takes.
        """
        kind, place = self.task.kind, Place("inputs", number, "input")
        language = self.task.read_options.language
        if isinstance(value, str) and kind.from_line is not None:
            return kind.from_line(unicode_text(value, "text", place), place, language)
        if isinstance(value, tuple | list) and kind.list_field:
            value = {kind.list_field: list(value)}
        elif isinstance(value, tuple | list) and len(value) == 2:
            value = dict(zip(("text", "text_pair"), value, strict=True))
        if not (
            isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        ):
            raise InputError(
                f"{place}: {kind.name} takes a text, a pair of texts or a dictionary "
                f"whose keys are texts. Received: {value!r:.80}"
            )
        finder = ColumnFinder("inputs", list(value), ColumnNames())
        build = kind.from_records(finder, False, LabelledReport(), language)
        example = build(value, place)
        assert example is not None, "only targets lead to examples being left out"
        return example


PRECISIONS = {"float32": None, "bfloat16": "mixed_bfloat16"}
"""What products can be computed in -> the Keras dtype policy."""


def load(
    path: str | os.PathLike[str],
    task: str | None = None,
    precision: str = "float32",
    **settings: Any,
) -> Predictor:
    """Opens a trained model; see `bert_tf.load`."""
    if precision not in PRECISIONS:
        raise InputError(
            f"`precision` must be one of {sorted(PRECISIONS)}. Received: {precision!r}"
        )
    weights = resizing.without_surplus_rows(load_any(Path(path)))
    if weights.vocabulary is None:
        raise InputError(
            f"{os.fspath(path)}: has no vocabulary, so no text can be read for it. "
            "Give it one with `python -m bert_tf.convert_checkpoint --vocab_file=...`."
        )
    described = weights.task
    positions = weights.config.max_position_embeddings
    if task not in (None, described.name):
        described = TaskDescription(task, described.max_seq_length)
    described = dataclasses.replace(
        described, max_seq_length=described.max_seq_length or positions
    )
    found = create_predicting_task(described, weights.vocabulary)
    if settings:
        described = described.with_settings(**_checked_settings(found, settings))
        found = create_predicting_task(described, weights.vocabulary)
    model = found.create_model(weights.config, dtype=PRECISIONS[precision])
    try:
        assign_variables(model, weights.variables)
    except InputError as error:
        advice = "Fine-tune it with `python -m bert_tf.run_finetuning`."
        if described.name == "pretraining":
            advice = "For a vector a text, load it with the task `embedding`. " + advice
        raise InputError(
            f"{os.fspath(path)}: cannot be used for {described.name!r}. {error} "
            f"{advice}"
        ) from error
    return Predictor(found, model, weights.vocabulary)


def _checked_settings(
    task: PredictingTask, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns settings of a task as its model folder would have them."""
    source = f"settings of {task.name}"
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in settings.items()
    }
    stated = validated(from_dict(task.settings_type, plain, source), f"{source}: ")
    return {name: getattr(stated, name) for name in settings}
