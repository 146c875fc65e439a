"""From records to examples of texts and pairs of texts.

Each function takes the finder of the file's columns, says which it needs, and returns
what builds an example from a record.
"""

from collections.abc import Callable
from typing import Any

from bert_tf.labelled import values
from bert_tf.labelled.columns import ColumnFinder
from bert_tf.labelled.examples import (
    ClassificationExample,
    GenerationExample,
    MultiLabelExample,
    Place,
    RegressionExample,
    TextExample,
)
from bert_tf.labelled.tables import Record
from bert_tf.storage.lines import ReadReport

_LABEL_SEPARATORS = ",;|"


def _texts(
    finder: ColumnFinder, find: Callable[[], tuple[str, str | None]] | None = None
) -> Callable[[Record, Place], dict[str, Any]]:
    first, second = (find or finder.texts)()

    def build(record: Record, place: Place) -> dict[str, Any]:
        return {
            "place": place,
            "text": values.text(record, first, place),
            "text_pair": second and values.text(record, second, place),
        }

    return build


def texts(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], TextExample]:
    """Texts or pairs, without targets."""
    del with_targets, report, language
    build = _texts(finder)
    return lambda record, place: TextExample(**build(record, place))


def classification(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], ClassificationExample]:
    """Texts or pairs of one class."""
    del report, language
    build = _texts(finder)
    if not with_targets:
        return lambda record, place: ClassificationExample(**build(record, place))
    column = finder.one("label")
    return lambda record, place: ClassificationExample(
        **build(record, place), label=values.label(record, column, place)
    )


def regression(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], RegressionExample]:
    """Texts or pairs with a number."""
    del report, language
    build = _texts(finder)
    if not with_targets:
        return lambda record, place: RegressionExample(**build(record, place))
    column = finder.one("value")
    return lambda record, place: RegressionExample(
        **build(record, place), value=values.number(record, column, place)
    )


def generation(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], GenerationExample]:
    """Texts or pairs, and what is to be written of them."""
    del report, language
    # A target that is named, or usual, is no source.
    column = finder.one("target") if with_targets else None
    build = _texts(finder, finder.sources)

    def example(record: Record, place: Place) -> GenerationExample:
        target = column and values.text(record, column, place)
        return GenerationExample(**build(record, place), target=target)

    return example


def pairs(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], RegressionExample]:
    """Texts or pairs that belong together, or pairs with a score."""
    del report, language
    build = _texts(finder)
    # A column of classes would say nothing of how alike texts are.
    column = None
    if with_targets:
        column = finder.maybe("value", "score", "similarity", "similarity_score")
    if column is None:
        return lambda record, place: RegressionExample(**build(record, place))
    return lambda record, place: RegressionExample(
        **build(record, place), value=values.number(record, column, place)
    )


def multi_label(
    finder: ColumnFinder, with_targets: bool, report: ReadReport, language: str
) -> Callable[[Record, Place], MultiLabelExample]:
    """Texts or pairs with any number of labels."""
    del report, language
    build = _texts(finder)
    if not with_targets:
        return lambda record, place: MultiLabelExample(**build(record, place))
    columns = finder.several("labels")

    def labels(record: Record, place: Place) -> tuple[str, ...]:
        if len(columns) > 1:
            return tuple(name for name in columns if values.flag(record, name, place))
        value = values.field(record, columns[0], place)
        if value is None or isinstance(value, str | int | float):
            text = values.text(record, columns[0], place)
            for separator in _LABEL_SEPARATORS[1:]:
                text = text.replace(separator, _LABEL_SEPARATORS[0])
            value = text.split(_LABEL_SEPARATORS[0])
        names = (name.strip() for name in values.items(value, columns[0], place))
        return tuple(dict.fromkeys(filter(None, names)))

    return lambda record, place: MultiLabelExample(
        **build(record, place), labels=labels(record, place)
    )
