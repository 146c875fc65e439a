"""JSON in files, and dataclasses from it, with errors that name the file."""

import dataclasses
import json
import math
import os
import reprlib
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from bert_tf.errors import InputError
from bert_tf.storage.files import read_bytes, write_text

_MISSING = dataclasses.MISSING
_INT64 = 2**63
_LARGEST_FLOAT = sys.float_info.max
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    bool: "true or false",
}


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a JSON object, or raises an InputError that names the file."""
    content = read_bytes(path)
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # Not JSON, not UTF-8, a number of thousands of digits, or endless brackets.
        raise InputError(
            f"{path}: not a JSON file ({error}). Restore it, or write it again."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object. Received: {value!r:.40}")
    return value


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any]) -> None:
    """Writes a JSON object atomically; see `format_json`."""
    write_text(path, format_json(value))


def format_json(value: Mapping[str, Any]) -> str:
    """Returns a JSON object as text for people too.

    JSON has no words for NaN and infinity: null takes their place.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def finite_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values as `format_json` writes them: None for NaN and infinity."""
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return finite_values(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the values of nested objects by dotted name, `optimizer.epsilon`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def from_dict(cls: type, values: Any, source: str) -> Any:
    """Builds a dataclass from a JSON object, and whatever its fields hold.

    Fields may be numbers, text, dataclasses, lists, tuples of any length, dictionaries
    by text, and None beside one of these. A whole number is a float too; no other type
    takes another's place.

    Args:
        cls: the dataclass.
        values: its fields by name; missing ones take their defaults.
        source: what to call the object in an error, usually the file's path.

    Raises:
        InputError: an unknown field, none where there is no default, or a value of
            another type; names it, `model.hidden_size`.
    """
    return _build(cls, values, source, "")


def from_known_fields(cls: type, values: Any, source: str) -> Any:
    """Builds a dataclass as `from_dict`, of an object that may say more.

    Of the files of other programs only some fields matter here.
    """
    if isinstance(values, dict):
        names = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in values.items() if name in names}
    return from_dict(cls, values, source)


def _build(cls: Any, values: Any, source: str, path: str) -> Any:
    if not isinstance(values, dict):
        raise _wrong(source, path, "an object", values)
    prefix = f"{path}." if path else ""
    kinds = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields]
    for name in values:
        if name not in names:
            raise InputError(
                f"{source}: unknown field `{prefix}{name}`. Known: {', '.join(names)}"
            )
    for field in fields:
        has_default = (field.default, field.default_factory) != (_MISSING, _MISSING)
        if field.name not in values and not has_default:
            raise InputError(f"{source}: no `{prefix}{field.name}`, which it must have")
    return cls(
        **{
            name: _convert(kinds[name], value, source, prefix + name)
            for name, value in values.items()
        }
    )


def _convert(kind: Any, value: Any, source: str, path: str) -> Any:
    """Returns a value as the type that a field wants."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (kind,) = (option for option in arguments if option is not types.NoneType)
        return _convert(kind, value, source, path)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, source, path)
    if origin in (list, tuple) and isinstance(value, list | tuple):
        return origin(
            _convert(arguments[0], item, source, f"{path}[{index}]")
            for index, item in enumerate(value)
        )
    if origin is dict and isinstance(value, dict):
        return {
            name: _convert(arguments[1], item, source, f"{path}.{name}")
            for name, item in value.items()
        }
    if kind is float and type(value) in (int, float) and abs(value) <= _LARGEST_FLOAT:
        return float(value)
    if kind is int and type(value) is int and abs(value) < _INT64:
        return value
    if kind is Any or (kind in (str, bool) and type(value) is kind):
        return value
    words = {list: "a list", tuple: "a list", dict: "an object"}
    raise _wrong(source, path, words.get(origin) or _WORDS[kind], value)


def _wrong(source: str, path: str, expected: str, value: Any) -> InputError:
    what = f"`{path}` " if path else ""
    return InputError(
        f"{source}: {what}must be {expected}. Received: {reprlib.repr(value)}"
    )
