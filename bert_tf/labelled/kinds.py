"""Kinds of labelled examples: what files may hold, and how they become that."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from bert_tf.errors import InputError
from bert_tf.labelled import structured_records, tagging, text_records
from bert_tf.labelled.columns import ColumnNames
from bert_tf.labelled.conll import read_conll
from bert_tf.labelled.examples import (
    ChoiceExample,
    ClassificationExample,
    Example,
    GenerationExample,
    MultiLabelExample,
    Place,
    QuestionExample,
    RegressionExample,
    SummarizationExample,
    TaggedSentence,
    TextExample,
    TextLine,
)
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.squad import read_squad
from bert_tf.labelled.summarization import with_oracle_labels
from bert_tf.labelled.tables import Record

E = TypeVar("E", bound=Example)
T = TypeVar("T", bound=TextExample)


@dataclasses.dataclass(frozen=True)
class Kind(Generic[E]):
    """A kind of example, and how files become examples of it.

    Attributes:
        name: in messages.
        from_records: takes the finder of a table's columns, whether targets are
            read, the report and the language; returns what builds an example.
        from_line: builds an example without a target from a line of text, its place
            and the language.
        finish: checks or changes all examples of a data set together.
        plain: format with targets of files whose ending says nothing.
        list_field: the column that a list stands for where somebody predicts on one;
            empty if it is a pair of texts.
        formats: of this kind alone: takes path, columns, report and whether targets
            are read.
    """

    name: str
    from_records: Callable[..., Callable[[Record, Place], E | None]]
    from_line: Callable[[str, Place, str], E] | None = None
    finish: Callable[[list[E], ReadOptions, LabelledReport], list[E]] | None = None
    plain: str = ""
    list_field: str = ""
    formats: Mapping[
        str, Callable[[Path, ColumnNames, LabelledReport, bool], Iterator[E]]
    ] = dataclasses.field(default_factory=dict)


def _finish_tags(
    sentences: list[TaggedSentence], options: ReadOptions, report: LabelledReport
) -> list[TaggedSentence]:
    sentences, found = tagging.to_iob2(sentences, options.bad_tags)
    report.notes |= dict.fromkeys(found.lines())
    return sentences


def _finish_questions(
    questions: list[QuestionExample], options: ReadOptions, report: LabelledReport
) -> list[QuestionExample]:
    # Of files without ids each counts its own lines.
    ids = [(question.place.path, question.id) for question in questions]
    counts = collections.Counter(ids)
    for question, key in zip(questions, ids, strict=True):
        if counts[key] > 1:
            raise InputError(
                f"{question.place}: {counts[key]} questions have the id "
                f"{question.id!r}. Ids must differ in a file: they tell which answer "
                "is whose."
            )
    return questions


def _finish_documents(
    documents: list[SummarizationExample], options: ReadOptions, report: LabelledReport
) -> list[SummarizationExample]:
    documents, lines = with_oracle_labels(documents, options.max_summary_sentences)
    report.notes |= dict.fromkeys(lines)
    return documents


def _finish_text(
    texts: list[TextExample], options: ReadOptions, report: LabelledReport
) -> list[TextExample]:
    """Joins the lines of each document."""
    documents: list[TextExample] = []
    ended = True
    for text in texts:
        if not isinstance(text, TextLine):
            documents.append(text)
        elif ended or text.place.path != documents[-1].place.path:
            if text.text.strip():
                documents.append(TextExample(text=text.text, place=text.place))
        elif text.text.strip():
            whole = f"{documents[-1].text}\n{text.text}"
            documents[-1] = dataclasses.replace(documents[-1], text=whole)
        ended = not (isinstance(text, TextLine) and text.text.strip())
    if not documents:
        raise InputError("The files hold blank lines only.")
    return documents


def _line_as(example: type[T]) -> Callable[[str, Place, str], T]:
    """Returns what makes a line of text an example without a target."""
    return lambda text, place, _: example(text=text, place=place)


DOCUMENTS = Kind[TextExample](
    "language modeling",
    text_records.texts,
    _line_as(TextLine),
    finish=_finish_text,
    plain="lines",
)
TEXTS = Kind[TextExample](
    "texts",
    text_records.texts,
    _line_as(TextExample),
    plain="lines",
)
CLASSIFICATION = Kind[ClassificationExample](
    "classification",
    text_records.classification,
    _line_as(ClassificationExample),
)
MULTI_LABEL = Kind[MultiLabelExample](
    "multi-label classification",
    text_records.multi_label,
    _line_as(MultiLabelExample),
)
REGRESSION = Kind[RegressionExample](
    "regression",
    text_records.regression,
    _line_as(RegressionExample),
)
PAIRS = Kind[RegressionExample](
    "sentence embedding",
    text_records.pairs,
    _line_as(RegressionExample),
)
GENERATION = Kind[GenerationExample](
    "sequence to sequence",
    text_records.generation,
    _line_as(GenerationExample),
)
TOKEN_CLASSIFICATION = Kind[TaggedSentence](
    "token classification",
    structured_records.tagged_sentences,
    lambda text, place, _: structured_records.plain_sentence(text, place),
    finish=_finish_tags,
    plain="conll",
    formats={"conll": read_conll},
)
QUESTION_ANSWERING = Kind[QuestionExample](
    "question answering",
    structured_records.questions,
    finish=_finish_questions,
    formats={
        "squad": lambda path, _, report, targets: read_squad(path, report, targets)
    },
)
MULTIPLE_CHOICE = Kind[ChoiceExample]("multiple choice", structured_records.choices)
EXTRACTIVE_SUMMARIZATION = Kind[SummarizationExample](
    "extractive summarization",
    structured_records.documents,
    structured_records.plain_document,
    finish=_finish_documents,
    list_field="sentences",
)
