"""Texts, labels, numbers and lists from the fields of a record."""

import math
from collections.abc import Mapping
from typing import Any

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Place


def field(record: Mapping[str, Any], column: str, place: Place) -> Any:
    """Returns the value of a column.

    Raises:
        InputError: the record has no such field.
    """
    try:
        return record[column]
    except KeyError:
        raise InputError(
            f"{place}: no field {column!r}, which the first record has. "
            f"Received: {sorted(record)}"
        ) from None


def text(record: Mapping[str, Any], column: str, place: Place) -> str:
    """Returns a text; "" for null.

    Raises:
        InputError: a list or an object, or half of a surrogate pair inside.
    """
    value = field(record, column, place)
    if value is None:
        return ""
    if not isinstance(value, str):
        if not isinstance(value, int | float):
            raise InputError(
                f"{place}: column {column!r} must hold text. Received: {value!r:.60}"
            )
        value = str(value)
    return unicode_text(value, column, place)


def unicode_text(value: str, column: str, place: Place) -> str:
    """Returns text that UTF-8 can hold.

    Raises:
        InputError: half of a surrogate pair inside, which JSON can spell.
    """
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{place}: {column!r} holds a lone surrogate, "
                f"{value[error.start]!a}, which is not Unicode text. Remove it."
            ) from error
    return value


def label(record: Mapping[str, Any], column: str, place: Place) -> str:
    """Returns the name of a class; a number's is its digits.

    Raises:
        InputError: there is none.
    """
    value = field(record, column, place)
    # A column of numbers with gaps is one of floats in pandas and Parquet.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list | dict):
        raise InputError(
            f"{place}: column {column!r} must hold one label. Received: {value!r:.60}"
        )
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    name = "" if missing else str(value).strip()
    if not name:
        raise InputError(
            f"{place}: no label in column {column!r}. Fill it in or remove the line."
        )
    return name


def number(record: Mapping[str, Any], column: str, place: Place) -> float:
    """Returns a finite number.

    Raises:
        InputError: NaN, infinite, or no number at all.
    """
    value = field(record, column, place)
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise InputError(
            f"{place}: column {column!r} must hold a finite number to learn from. "
            f"Correct or remove the line. Received: {value!r:.60}"
        )
    return result


def flag(record: Mapping[str, Any], column: str, place: Place) -> bool:
    """Returns whether a field is 1 or 0.

    Raises:
        InputError: it is neither.
    """
    value = field(record, column, place)
    text = str(value).strip().lower()
    if text in ("1", "1.0", "true"):
        return True
    if text in ("0", "0.0", "false"):
        return False
    raise InputError(
        f"{place}: column {column!r} must be 1 or 0. Received: {value!r:.60}"
    )


def words(record: Mapping[str, Any], column: str, place: Place) -> list[str]:
    """Returns a list of texts; text is divided at blanks.

    Raises:
        InputError: neither a list nor text.
    """
    value = field(record, column, place)
    if isinstance(value, str):
        value = value.split()
    return items(value, column, place)


def items(value: Any, column: str, place: Place) -> list[str]:
    """Returns a list's elements as text.

    Raises:
        InputError: not a list of texts or numbers.
    """
    if not isinstance(value, list | tuple):
        raise InputError(
            f"{place}: column {column!r} must hold a list. Received: {value!r:.60}"
        )
    return [text({column: item}, column, place) for item in value]
