"""What is said of the answers to questions: a row each, and the worst of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from bert_tf.labelled.examples import QuestionExample
from bert_tf.metrics import squad as metrics
from bert_tf.reporting.sections import Table
from bert_tf.text.answer_spans import AnswerScores

_WORST_ANSWERS = 20


def answer_row(scores: AnswerScores, threshold: float | None) -> dict[str, Any]:
    """Returns the answer to a question, its place and the likeliest ones.

    Args:
        scores: of the answers.
        threshold: by how much having none must lead the best one for none to be given;
            None where one is always given.
    """
    row: dict[str, Any] = {"answer": "", "start": None, "end": None}
    row["probability"] = 1.0 - sum(answer.probability for answer in scores.n_best)
    if scores.best(threshold):
        best = scores.n_best[0]
        row = {
            "answer": best.text,
            "start": best.start,
            "end": best.end,
            "probability": best.probability,
        }
    if threshold is not None:
        difference = float(scores.null_score_difference) if scores.n_best else None
        row["null_score_difference"] = difference
    row["n_best"] = [answer._asdict() for answer in scores.n_best]
    return row


def worst_answers(
    examples: Sequence[QuestionExample], rows: Mapping[int, Mapping[str, Any]]
) -> Table:
    """Returns the wrong answers that the model was surest of.

    Args:
        examples: all of them.
        rows: what `answer_row` returned of each that was predicted on.
    """
    wrong = []
    for index, row in rows.items():
        example = examples[index]
        answers = answer_texts(example)
        right = (metrics.f1(row["answer"], text) for text in answers)
        if max(right, default=float(not row["answer"])) == 0.0:
            wrong.append(
                [
                    example.question,
                    " | ".join(answers) or "no answer",
                    row["answer"] or "no answer",
                    row["probability"],
                ]
            )
    wrong.sort(key=lambda row: -row[-1])
    header = ["question", "right", "given", "probability"]
    return Table(wrong[:_WORST_ANSWERS], header, "Worst errors")


def answer_texts(example: QuestionExample) -> list[str]:
    """Returns the right answers."""
    return [answer.text for answer in example.answers or ()]
