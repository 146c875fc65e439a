"""From records to examples of words, questions, choices and documents.

Each function takes the finder of the file's columns, says which it needs, and returns
what builds an example from a record.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from bert_tf.errors import InputError
from bert_tf.labelled import conll, squad, values
from bert_tf.labelled.columns import ColumnFinder
from bert_tf.labelled.examples import (
    ChoiceExample,
    Place,
    QuestionExample,
    SummarizationExample,
    TaggedSentence,
)
from bert_tf.labelled.tables import Record
from bert_tf.storage.lines import ReadReport
from bert_tf.text.sentences import find_sentences
from bert_tf.text.words import split_words


def tagged_sentences(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], TaggedSentence]:
    """Words with tags; words of running text where no tags are asked for."""
    del report, language
    column = finder.maybe("words") if with_targets else finder.if_there("words")
    if column is None and not with_targets:
        text_column = finder.one("text")
        return lambda record, place: plain_sentence(
            values.text(record, text_column, place), place
        )
    words_column = column or finder.one("words")
    tags_column = finder.one("tags") if with_targets else None

    def build(record: Record, place: Place) -> TaggedSentence:
        words = values.words(record, words_column, place)
        if tags_column is None:
            return conll.sentence(words, None, place)
        tags = values.words(record, tags_column, place)
        if len(tags) != len(words):
            raise InputError(
                f"{place}: {len(words)} words and {len(tags)} tags. Every word needs "
                f"one. Received: {words!r:.60} {tags!r:.60}"
            )
        return conll.sentence(words, tags, place)

    return build


def plain_sentence(text: str, place: Place) -> TaggedSentence:
    """Returns running text with its words found and without tags."""
    return TaggedSentence(text=text, spans=tuple(split_words(text)), place=place)


def questions(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], QuestionExample | None]:
    """Questions and contexts, with answers as SQuAD has them."""
    question, context = finder.one("question"), finder.one("context")
    answers = finder.one("answers") if with_targets else None
    del language
    id_column = finder.maybe("id") if with_targets else finder.if_there("id")

    def build(record: Record, place: Place) -> QuestionExample | None:
        return squad.question_example(
            values.text(record, id_column, place) if id_column else str(place.number),
            values.text(record, question, place),
            values.text(record, context, place),
            None if answers is None else _answers(record, answers, place),
            place,
            report,
        )

    return build


def _answers(record: Record, column: str, place: Place) -> list[tuple[str, int]]:
    value = values.field(record, column, place)
    try:
        if isinstance(value, str):
            value = json.loads(value)
        if isinstance(value, list):
            return [(str(item["text"]), int(item["answer_start"])) for item in value]
        starts = map(int, value["answer_start"])
        return list(zip(map(str, value["text"]), starts, strict=True))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place}: column {column!r} must hold "
            '{"text": ["..."], "answer_start": [0]}, empty lists where there is no '
            f"answer. Received: {value!r:.60}"
        ) from error


def choices(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], ChoiceExample]:
    """A text and choices of which one is right."""
    del report, language
    columns = finder.several("choices")
    label = None
    if with_targets:
        label = finder.maybe("label", "label", "answer", "answerkey", "correct")
        label = label or finder.one("label")
    first, second = finder.prompt()

    def build(record: Record, place: Place) -> ChoiceExample:
        options, names = _options(record, columns, place)
        if second:
            start = values.text(record, second, place)
            options = [f"{start} {option}".strip() for option in options]
        if len(options) < 2:
            raise InputError(
                f"{place}: two or more choices are needed. Received: {options!r:.60}"
            )
        return ChoiceExample(
            place=place,
            text=values.text(record, first, place),
            choices=tuple(options),
            label=None
            if label is None
            else _right_choice(values.label(record, label, place), names, place),
        )

    return build


def _options(
    record: Record, columns: list[str], place: Place
) -> tuple[list[str], list[str]]:
    """Returns the choices and what a label calls them."""
    if len(columns) > 1:
        options = [values.text(record, column, place) for column in columns]
    else:
        value = values.field(record, columns[0], place)
        if isinstance(value, dict) and {"text", "label"} <= value.keys():
            options = values.items(value["text"], columns[0], place)
            return options, values.items(value["label"], columns[0], place)
        options = values.items(value, columns[0], place)
    return options, [str(index) for index in range(len(options))]


def _right_choice(label: str, names: list[str], place: Place) -> int:
    if label in names:
        return names.index(label)
    index = ord(label) - ord("A") if len(label) == 1 else -1
    if 0 <= index < len(names):
        return index
    raise InputError(
        f"{place}: the label must be one of {names}, or a letter from A. "
        f"Received: {label!r}"
    )


def documents(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], SummarizationExample]:
    """Documents with labels of their sentences, or a summary to get them from."""
    del report
    column = finder.one("sentences")
    labels = summary = None
    if with_targets:
        labels, summary = finder.maybe("sentence_labels"), finder.maybe("summary")
        if not labels and not summary:
            summary = finder.one("summary")

    def build(record: Record, place: Place) -> SummarizationExample:
        value = values.field(record, column, place)
        if isinstance(value, list):
            document = SummarizationExample(
                sentences=tuple(_joined(item, column, place) for item in value),
                place=place,
            )
        else:
            text = values.text(record, column, place)
            document = plain_document(text, place, language)
        sentences = document.sentences
        marks = None
        if labels:
            listed = values.items(values.field(record, labels, place), labels, place)
            if len(listed) != len(sentences):
                raise InputError(
                    f"{place}: {len(sentences)} sentences and {len(listed)} labels. "
                    "Every sentence needs one, 1 or 0."
                )
            marks = tuple(values.flag({labels: mark}, labels, place) for mark in listed)
        reference = None
        if summary:
            value = values.field(record, summary, place)
            lines = value if isinstance(value, list) else [value]
            reference = "\n".join(_joined(line, summary, place) for line in lines)
        return dataclasses.replace(document, labels=marks, summary=reference)

    return build


def plain_document(text: str, place: Place, language: str) -> SummarizationExample:
    """Returns running text with its sentences found and without labels."""
    spans = tuple(find_sentences(text, language))
    return SummarizationExample(
        sentences=tuple(text[start:end] for start, end in spans),
        spans=spans,
        place=place,
    )


def _joined(value: Any, column: str, place: Place) -> str:
    """Returns a sentence that may be a list of its words."""
    if isinstance(value, list):
        return " ".join(values.items(value, column, place))
    return values.text({column: value}, column, place)
