"""JSON in files, and dataclasses from it, with errors that name the file."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a JSON object, or raises an InputError that names the file."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a JSON file ({error}). Restore it, or write it again."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object. Received: {value!r:.40}")
    return value


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any]) -> None:
    """Writes a JSON object, not atomically: callers write into a folder that is."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def finite_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with None for NaN and infinity, which JSON has no words for.

    Only those that stand at the top are looked at.
    """
    return {
        name: None if isinstance(v, float) and not math.isfinite(v) else v
        for name, v in values.items()
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the values of nested objects by dotted name, `optimizer.epsilon`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def from_dict(cls: type, values: dict[str, Any], source: str) -> Any:
    """Builds a dataclass, nested ones too, from a JSON object.

    Args:
        cls: the dataclass.
        values: its fields; missing ones take their defaults.
        source: what to call the object in an error, usually the file's path.

    Raises:
        InputError: an unknown field, or a value of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(
            f"{source}: unknown field {unknown[0]!r}. Known: {sorted(fields)}"
        )
    built = {
        name: _convert(fields[name].type, value, f"{source}: {name}")
        for name, value in values.items()
    }
    return cls(**built)


def _convert(kind: Any, value: Any, source: str) -> Any:
    options = [kind] if isinstance(kind, type) else list(getattr(kind, "__args__", []))
    if value is None and type(None) in options:
        return None
    for option in options:
        if dataclasses.is_dataclass(option) and isinstance(value, dict):
            return from_dict(option, value, source)
    if getattr(kind, "__origin__", None) is tuple and isinstance(value, list | tuple):
        return tuple(_convert(kind.__args__[0], item, source) for item in value)
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, tuple(o for o in options if isinstance(o, type)))
    if not fits or (isinstance(value, bool) and bool not in options):
        expected = getattr(kind, "__name__", str(kind))
        raise InputError(f"{source} must be of type {expected}. Received: {value!r}")
    return value
