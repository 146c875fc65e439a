"""Answers that stand in a text: extractive question answering, as SQuAD has it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.labelled.examples import QuestionExample
from bert_tf.labelled.kinds import QUESTION_ANSWERING
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import squad as metrics
from bert_tf.models.span_predictor import SpanPredictor
from bert_tf.reporting.sections import Section
from bert_tf.tasks.answer_endpoint import answer_question
from bert_tf.tasks.answer_rows import answer_row, answer_texts, worst_answers
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.inference import Inference
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.settings import QuestionAnsweringSettings
from bert_tf.tasks.span_losses import span_cross_entropy
from bert_tf.text.answer_spans import AnswerScores, answer_positions, score_answers
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows


class QuestionAnsweringTask(LabelledTask):
    """A span of a context an example; see `QuestionAnsweringSettings`.

    A long context is several windows, each a sequence to train on; one without the
    answer has it at [CLS]. All windows of a question are evaluated together. Where
    every question of the training data has an answer, one is always given (SQuAD 1.1);
    otherwise none is an answer, too (2.0).

    Source: Devlin et al. 2019 (arXiv:1810.04805), sections 4.2 and 4.3.
    """

    name = "question_answering"
    kind = QUESTION_ANSWERING
    settings_type = QuestionAnsweringSettings
    usual_best = "f1"
    losses = ("span",)
    quality = "f1"
    shown = {"exact_match": "exact match", "f1": "F1"}
    charts = {"exact_match": "Exact match", "f1": "F1"}
    needs_offsets = True
    usual_max_seq_length = 384

    def __init__(self, description: TaskDescription):
        super().__init__(description)
        self.no_answer = bool(description.settings.get("no_answer", False))
        self.settings = QuestionAnsweringSettings.stated_in(description.settings)

    @classmethod
    def describe(
        cls,
        settings: QuestionAnsweringSettings,
        examples: Sequence[QuestionExample],
        max_seq_length: int,
    ) -> TaskDescription:
        """Notes whether some questions have no answer; see `LabelledTask`."""
        answered = sum(bool(example.answers) for example in examples)
        if not answered:
            raise InputError(
                f"None of the {len(examples):,} training questions has an answer: "
                "there is nothing to learn. Is it the right column?"
            )
        values = dataclasses.asdict(settings)
        values["no_answer"] = answered < len(examples)
        return TaskDescription(settings.name, max_seq_length, (), values)

    # The model.

    def create_model(
        self,
        config: BertConfig,
        *,
        seed: int = 0,
        rematerialize: bool = False,
        dtype: str | None = None,
    ) -> SpanPredictor:
        """Returns a span predictor; see `Task`."""
        return SpanPredictor(
            config,
            classifier_dropout=self.description.settings.get("classifier_dropout"),
            seed=seed,
            rematerialize=rematerialize,
            dtype=dtype,
        )

    # Its examples.

    def texts(self, examples: Sequence[QuestionExample]) -> dict[str, list[str]]:
        """Returns the questions, and each context once; see `LabelledTask`."""
        return {
            "question": [example.question for example in examples],
            "context": list(_contexts(examples)),
        }

    def assemble(
        self,
        examples: Sequence[QuestionExample],
        pieces: Mapping[str, Pieces],
        vocabulary: Vocabulary,
    ) -> EncodedExamples:
        """Returns the windows of each question, with the answer's place in each."""
        contexts, settings = pieces["context"], self.settings
        number = _contexts(examples)
        context_of = np.array([number[example.context] for example in examples])
        windows = Windows.build(
            contexts,
            vocabulary,
            max_seq_length=self.max_seq_length,
            doc_stride=settings.doc_stride,
            questions=pieces["question"],
            context_of=context_of,
            max_query_length=settings.max_query_length,
        )
        encoded = EncodedExamples.of_windows(windows, contexts)
        if not examples or examples[0].answers is None:
            return encoded
        positions = []
        for index, example in enumerate(examples):
            offsets = contexts.offsets(context_of[index])
            answer = self._answer(example)
            positions.append(answer_positions(windows, index, *offsets, answer))
        return encoded.with_targets(answer_positions=np.concatenate(positions))

    def _answer(self, example: QuestionExample) -> tuple[int, int] | None:
        """Returns the first answer's characters; None for none."""
        if example.answers:
            text, start = example.answers[0]
            return start, start + len(text)
        if not self.no_answer:
            raise InputError(
                f"{example.place}: question {example.id!r} has no answer, but all "
                "questions that the model was trained on have one. Leave such "
                "questions out, or train on some."
            )
        return None

    def targets(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """Returns nothing: `assemble` gives the answers' places."""
        return {}

    def report_lines(self, examples: Sequence[Any]) -> list[str]:
        """Returns how many questions have no answer."""
        without = sum(not example.answers for example in examples)
        return [f"{without:,} of {len(examples):,} questions have no answer"]

    @classmethod
    def groups(cls, examples: Sequence[QuestionExample]) -> Sequence[Sequence[str]]:
        """Returns the contexts: all questions about one are held out, or none."""
        return [(example.context,) for example in examples]

    # Its loss.

    def sums(
        self, outputs: Outputs, batch: Batch, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Sums the mean of start's and end's cross-entropy over windows; see `Task`."""
        start, end = (
            span_cross_entropy(
                outputs[f"{side}_logits"], batch, batch["answer_positions"][..., index]
            )
            for index, side in enumerate(("start", "end"))
        )
        losses = (start + end) / 2.0
        return {"span_loss": tf.reduce_sum(losses * batch["example_weights"])}

    # Its predictions.

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the logits; see `Task`."""
        return dict(outputs)

    def score(
        self, source: ExampleSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Returns the metrics of SQuAD 1.1 or 2.0; see `Task`."""
        assert isinstance(source, LabelledSource)
        found = self._found(source, predictions)
        answers = [answer_texts(source.examples[index]) for index in found]
        texts = [scores.best() for scores in found.values()]
        if not self.no_answer:
            return metrics.squad_v1_metrics(texts, answers)
        differences = np.array([s.null_score_difference for s in found.values()])
        return metrics.squad_v2_metrics(
            texts,
            answers,
            np.nan_to_num(differences),
            threshold=self.settings.null_score_diff_threshold,
        )

    def _found(
        self, source: LabelledSource, predictions: Mapping[str, np.ndarray]
    ) -> dict[int, AnswerScores]:
        sequences, starts = source.in_order(predictions["start_logits"])
        _, ends = source.in_order(predictions["end_logits"])
        return self._answers(source.examples, source.encoded, sequences, starts, ends)

    def _answers(
        self,
        examples: Sequence[QuestionExample],
        encoded: EncodedExamples,
        sequences: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
    ) -> dict[int, AnswerScores]:
        """Returns the answers to each question that was predicted on.

        Args:
            examples: all of them.
            encoded: the same as ids.
            sequences: int `[n]`, which windows were predicted on, all of a question's.
            starts: float32 `[n, length]`, logits.
            ends: likewise.
        """
        windows, contexts = encoded.windows, encoded.contexts
        assert windows is not None and contexts is not None
        number = _contexts(examples)
        row_of = np.full(len(windows), -1)
        row_of[sequences] = np.arange(len(sequences))
        found = {}
        for index in np.unique(windows.examples[sequences]).tolist():
            example = examples[index]
            rows = row_of[list(windows.of_example(index))]
            found[index] = score_answers(
                windows,
                index,
                example.context,
                *contexts.offsets(number[example.context]),
                list(starts[rows]),
                list(ends[rows]),
                n_best_size=self.settings.n_best_size,
                max_answer_length=self.settings.max_answer_length,
                with_no_answer=self.no_answer,
            )
        return found

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the answer, its place and the likeliest ones; see `LabelledTask`.

        Where no answer is given, `answer` is empty, `start` and `end` are None.
        """
        found = self._answers(
            examples,
            encoded,
            np.arange(len(encoded)),
            predictions["start_logits"],
            predictions["end_logits"],
        )
        return [answer_row(scores, self._threshold) for scores in found.values()]

    @property
    def _threshold(self) -> float | None:
        """By how much no answer must lead to be given; None where it never is."""
        return self.settings.null_score_diff_threshold if self.no_answer else None

    # What people see of it.

    def baseline(
        self, train: ExampleSource, held_out: ExampleSource, seed: int
    ) -> dict[str, float]:
        """Returns the score of never giving an answer, if that is one; see `Task`."""
        assert isinstance(held_out, LabelledSource)
        if not self.no_answer:
            return {}
        without = [not example.answers for example in held_out.examples]
        return {"never_answering_f1": float(np.mean(without))}

    def sections(
        self, model: keras.Model, held_out: ExampleSource, seed: int
    ) -> Sequence[Section]:
        """Returns the wrong answers that the model was surest of."""
        assert isinstance(held_out, LabelledSource)
        predictions = Inference(self, model).run(held_out)
        rows = {
            index: answer_row(scores, self._threshold)
            for index, scores in self._found(held_out, predictions).items()
        }
        table = worst_answers(held_out.examples, rows)
        return [Section("Held-out predictions", [table])]

    def endpoints(
        self, model: keras.Model, tokenizer: BertTokenizer, max_seq_length: int
    ) -> dict[str, Endpoint]:
        """Returns the signatures: texts and ids; see `Task`."""
        answer = answer_question(
            model, tokenizer, max_seq_length, self.settings, self.no_answer
        )
        return {"serving_default": answer}


def _contexts(examples: Sequence[QuestionExample]) -> dict[str, int]:
    """Returns each context once, with its number."""
    unique = dict.fromkeys(example.context for example in examples)
    return {context: number for number, context in enumerate(unique)}
