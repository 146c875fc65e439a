"""Files of labelled data as examples of one kind, as a stream or whole."""

import collections
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from tqdm import tqdm

from bert_tf.errors import InputError
from bert_tf.labelled import structured_records, tagging, text_records
from bert_tf.labelled.columns import ColumnFinder, ColumnNames
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
from bert_tf.labelled.json_records import holds_one_object
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.squad import read_squad
from bert_tf.labelled.summarization import with_oracle_labels
from bert_tf.labelled.tables import Record, read_table
from bert_tf.storage.input_files import InputFile, content_suffix
from bert_tf.storage.lines import ReadReport, read_lines

SUFFIX_FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "delimited"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2", ".bioes"), "conll"),
    ".parquet": "parquet",
}
"""Formats by the ending of a file's name."""
_BAR_DELAY_SECONDS = 3
_EMPTY = "examples with an empty text"

E = TypeVar("E", bound=Example)


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
    counts = collections.Counter(question.id for question in questions)
    for question in questions:
        if counts[question.id] > 1:
            raise InputError(
                f"{question.place}: {counts[question.id]} questions have the id "
                f"{question.id!r}. Ids must differ, since answers are scored by id."
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


DOCUMENTS = Kind[TextExample](
    "language modelling",
    text_records.texts,
    lambda text, place, _: TextLine(text=text, place=place),
    finish=_finish_text,
    plain="lines",
)
TEXTS = Kind[TextExample](
    "texts",
    text_records.texts,
    lambda text, place, _: TextExample(text=text, place=place),
    plain="lines",
)
CLASSIFICATION = Kind[ClassificationExample](
    "classification",
    text_records.classification,
    lambda text, place, _: ClassificationExample(text=text, place=place),
)
MULTI_LABEL = Kind[MultiLabelExample](
    "multi-label classification",
    text_records.multi_label,
    lambda text, place, _: MultiLabelExample(text=text, place=place),
)
REGRESSION = Kind[RegressionExample](
    "regression",
    text_records.regression,
    lambda text, place, _: RegressionExample(text=text, place=place),
)
PAIRS = Kind[RegressionExample](
    "sentence embedding",
    text_records.pairs,
    lambda text, place, _: RegressionExample(text=text, place=place),
)
GENERATION = Kind[GenerationExample](
    "sequence to sequence",
    text_records.generation,
    lambda text, place, _: GenerationExample(text=text, place=place),
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


def read_examples(
    kind: Kind[E],
    files: Iterable[InputFile],
    options: ReadOptions,
    report: LabelledReport,
    with_targets: bool = True,
) -> Iterator[E]:
    """Yields the examples of files, in memory that does not depend on their size.

    Only SQuAD's JSON, one object, is read whole.

    Args:
        kind: of example.
        files: to read, in order.
        options: how to read them.
        report: counts what is read and left out.
        with_targets: whether labels are read. If so, an example with an empty text is
            left out; if not, every line or record is an example, so that predictions
            stand beside what they are of.

    Raises:
        InputError: input that cannot be read, with file and place.
    """
    options.validate()
    for file in files:
        for example in _read_file(kind, file.path, options, report, with_targets):
            if with_targets and example.is_empty:
                report.skip(str(example.place), _EMPTY)
                continue
            report.num_examples += 1
            yield example


def load_examples(
    kind: Kind[E],
    files: Iterable[InputFile],
    options: ReadOptions,
    report: LabelledReport,
) -> list[E]:
    """Returns the examples of files with their targets, checked together.

    Raises:
        InputError: see `read_examples`; no example at all; or examples that do not fit
            each other.
    """
    files = list(files)
    examples = []
    bar = tqdm(
        desc="read",
        total=sum(file.num_bytes for file in files),
        unit="B",
        unit_scale=True,
        delay=_BAR_DELAY_SECONDS,
        file=sys.stderr,
    )
    before = report.num_bytes  # Of files read earlier.
    with bar:
        for example in read_examples(kind, files, options, report):
            examples.append(example)
            if report.num_bytes - before != bar.n:
                bar.update(report.num_bytes - before - bar.n)
    if not examples:
        names = ", ".join(str(file.path) for file in files)
        left_out = "; ".join(report.lines()[1:]) or "empty"
        raise InputError(f"No example in {names}: {left_out}.")
    return kind.finish(examples, options, report) if kind.finish else examples


def _read_file(
    kind: Kind[E],
    path: Path,
    options: ReadOptions,
    report: LabelledReport,
    with_targets: bool,
) -> Iterator[E]:
    columns = options.columns
    file_format = _file_format(kind, path, options, with_targets)
    if file_format == "lines":
        assert kind.from_line
        for number, line in enumerate(read_lines(path, report, "error"), start=1):
            yield kind.from_line(line, Place(str(path), number), options.language)
    elif file_format in kind.formats:
        yield from kind.formats[file_format](path, columns, report, with_targets)
    else:
        header = not columns.numbers
        table = read_table(path, file_format, report, options.quoting, header)
        finder = ColumnFinder(str(path), table.columns, columns)
        build = kind.from_records(finder, with_targets, report, options.language)
        report.notes[f"{path}: {table.note}; {finder.note()}"] = None
        wanted = {name for names in finder.found.values() for name in names}
        for place, record in table.read(wanted):
            example = build(record, place)
            if example is not None:
                yield example


def _is_conll(path: Path, columns: ColumnNames) -> bool:
    """Whether a file of tabs has a word a line, not a sentence, and no header."""
    named = [name for name in (columns.words, columns.tags) if not name.isdecimal()]
    if columns.text or any(named):
        return False
    lines = read_lines(path, ReadReport(), "skip")
    first = next((line for line in lines if line.strip()), "")
    names = {name.strip('" ').lower() for name in first.split("\t")}
    return "\t" in first and not names & {"words", "tokens", "text", "sentence"}


def _file_format(
    kind: Kind[E], path: Path, options: ReadOptions, with_targets: bool
) -> str:
    found = options.input_format
    if found == "auto":
        found = SUFFIX_FORMATS.get(content_suffix(path), "")
        if not found:
            found = "lines" if kind.from_line and not with_targets else kind.plain
        if found == "json" and "squad" in kind.formats and holds_one_object(path):
            found = "squad"
        if (
            found == "delimited"
            and "conll" in kind.formats
            and _is_conll(path, options.columns)
        ):
            found = "conll"
    usable = {"delimited", "json", "parquet", *kind.formats}
    if kind.from_line and (not with_targets or kind.plain == "lines"):
        usable.add("lines")
    if found not in usable:
        what = "with targets" if with_targets else "to predict on"
        raise InputError(
            f"{path}: {kind.name} {what} reads the formats {sorted(usable)}; the "
            f"file's ending, or input_format, says which. Received: {found or 'auto'!r}"
        )
    return found
