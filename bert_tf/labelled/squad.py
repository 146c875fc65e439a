"""Questions in the JSON of SQuAD 1.1 and 2.0.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Answer, Place, QuestionExample
from bert_tf.labelled.values import unicode_text
from bert_tf.storage.lines import ReadReport, open_decompressed

MISPLACED = "answers not at their offset"
LOST = "questions of which no answer is at its offset"


def read_squad(
    path: Path, report: ReadReport, with_targets: bool
) -> Iterator[QuestionExample]:
    """Yields the questions of a file; an answer not at its offset is left out.

    Args:
        path: the file, compressed or not.
        report: counts what is read and left out.
        with_targets: whether answers are read.

    Raises:
        InputError: the file is not of this form.
    """
    report.num_files += 1
    with open_decompressed(path) as (stream, _):
        content = stream.read()
    report.num_bytes += path.stat().st_size
    expected = 'Expected SQuAD\'s form: {"data": [{"paragraphs": [...]}]}.'
    try:
        # `utf-8-sig` leaves out a byte order mark.
        data = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}). {expected}") from error
    number = 0
    try:
        for article in data["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    number += 1
                    example = question_example(
                        question["id"],
                        question["question"],
                        paragraph["context"],
                        _answers(question) if with_targets else None,
                        Place(str(path), number, "question"),
                        report,
                    )
                    if example:
                        yield example
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: question {max(number, 1):,}, or what is around it: "
            f"{type(error).__name__} {error}. {expected}"
        ) from error


def _answers(question: dict[str, Any]) -> list[tuple[str, int]]:
    if question.get("is_impossible"):
        return []
    return [(answer["text"], answer["answer_start"]) for answer in question["answers"]]


def question_example(
    question_id: Any,
    question: str,
    context: str,
    answers: Iterable[tuple[str, int]] | None,
    place: Place,
    report: ReadReport,
) -> QuestionExample | None:
    """Checks a question.

    Args:
        question_id: of the question.
        question: what is asked.
        context: what holds the answers.
        answers: text and offset in characters; None if they are not known.
        place: where it was read.
        report: counts answers that are left out.

    Returns:
        The example; None if it had answers and all are left out, since without any it
        would say that there is no answer.
    """
    if not isinstance(question_id, str | int | float):
        raise InputError(
            f"{place}: the id must be a text or a number. Received: {question_id!r:.60}"
        )
    kept: list[Answer] = []
    num_answers = 0
    for text, start in answers or ():
        num_answers += 1
        if text and context[start : start + len(text)] == text and start >= 0:
            if Answer(text, start) not in kept:
                kept.append(Answer(text, start))
        else:
            report.skip(f"{place} ({question_id})", MISPLACED)
    if num_answers and not kept:
        report.skip(f"{place} ({question_id})", LOST)
        return None
    return QuestionExample(
        id=str(question_id),
        question=unicode_text(question, "question", place),
        context=unicode_text(context, "context", place),
        answers=None if answers is None else tuple(kept),
        place=place,
    )
