"""A trained model that answers: `bert_tf.load(path).predict([...])`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.errors import InputError
from bert_tf.labelled.columns import ColumnFinder, ColumnNames
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import Example, Place
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.models.variables import assign_variables
from bert_tf.tasks.catalog import create_task
from bert_tf.tasks.inference import Inference
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.text.vocabulary import Vocabulary

_BATCH_SIZE = 32


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

    def __init__(self, task: LabelledTask, model: keras.Model, vocabulary: Vocabulary):
        self.task = task
        self.model = model
        self.vocabulary = vocabulary
        self._inference = Inference(task, model)

    def predict(
        self, inputs: Sequence[Any], batch_size: int = _BATCH_SIZE
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each input.

        Args:
            inputs: texts; pairs of texts; or dictionaries with the names that a
                file's columns have, `{"question": ..., "context": ...}`.
            batch_size: how many run at once.

        Returns:
            One dictionary of plain values an input, in their order; the keys depend on
            the task.

        Raises:
            InputError: an input of another kind than the task takes.
        """
        examples = [self._example(value, n) for n, value in enumerate(inputs, start=1)]
        return self.predict_examples(examples, batch_size)

    def predict_examples(
        self, examples: Sequence[Example], batch_size: int = _BATCH_SIZE
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each example; see `predict`."""
        if not examples:
            return []
        return self.task.decode(examples, *self.outputs(examples, batch_size))

    def outputs(
        self, examples: Sequence[Example], batch_size: int = _BATCH_SIZE
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

    def _example(self, value: Any, number: int) -> Example:
        kind, place = self.task.kind, Place("inputs", number, "input")
        language = self.task.read_options.language
        if isinstance(value, str) and kind.from_line is not None:
            return kind.from_line(value, place, language)
        if isinstance(value, tuple | list) and len(value) == 2:
            value = dict(zip(("text", "text_pair"), value, strict=True))
        if not isinstance(value, Mapping):
            raise InputError(
                f"{place}: {kind.name} takes a text, a pair of texts or a dictionary. "
                f"Received: {value!r:.80}"
            )
        finder = ColumnFinder("inputs", list(value), ColumnNames())
        build = kind.from_records(finder, False, LabelledReport(), language)
        example = build(value, place)
        assert example is not None, "only targets lead to examples being left out"
        return example


def load(path: str | os.PathLike[str]) -> Predictor:
    """Opens a trained model.

    Args:
        path: a training workdir, a model folder, or a fine-tuned model of Hugging Face,
            google-research/bert, Model Garden or KerasHub.

    Raises:
        InputError: nothing that can be read is there, or it was not trained for a task
            that predicts.
    """
    weights = load_any(Path(path))
    task = create_task(weights.task_description)
    if not isinstance(task, LabelledTask):
        raise InputError(
            f"{os.fspath(path)}: trained for {task.name!r}, which answers nothing by "
            "itself. Fine-tune it with `python -m bert_tf.run_finetuning`."
        )
    if weights.vocabulary is None:
        raise InputError(
            f"{os.fspath(path)}: has no vocabulary, so no text can be read for it. "
            "Give it one with `python -m bert_tf.convert_checkpoint --vocab_file=...`."
        )
    model = task.create_model(weights.config)
    assign_variables(model, weights.variables)
    return Predictor(task, model, weights.vocabulary)
