"""Values of JSON as tensors, each checked for its type and its place."""

import base64
import binascii
import json
from typing import Any

import numpy as np

from export.server.errors import RequestError, invalid
from export.server.signature import TensorSpec

# NumPy's own bound since 1.x; no signature comes near it.
_MAX_RANK = 32
_SHOWN = 256
_INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
_FLOATS = {"float16", "float32", "float64"}
# As TF Serving's messages call them.
_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def to_array(value: Any, spec: TensorSpec) -> np.ndarray:
    """Returns nested lists as a tensor.

    Args:
        value: of JSON.
        spec: what it must be.

    Raises:
        RequestError: a value is of another type, or lists differ in length or depth.
    """
    shape: list[int] = []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    if len(shape) > _MAX_RANK:
        raise invalid(
            f"Encountered list at unexpected level: {_MAX_RANK} expected < {_MAX_RANK}"
        )
    leaves: list[Any] = []
    _fill(value, 0, shape, spec.dtype, leaves)
    if spec.dtype == "string":
        array = np.empty(len(leaves), object)
        array[:] = leaves
    else:
        with np.errstate(over="ignore"):  # Infinite, as in TF Serving.
            array = np.array(leaves, spec.dtype)
    return array.reshape(shape)


def _fill(
    value: Any, level: int, shape: list[int], dtype: str, leaves: list[Any]
) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        leaves.append(_leaf(value, dtype))
        return
    if level >= rank:
        raise invalid(
            f"Encountered list at unexpected level: {level} expected < {rank}"
        )
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, leaves)


def _leaf(value: Any, dtype: str) -> Any:
    """Returns one value of a tensor, after looking at its type."""
    if dtype == "string":
        if isinstance(value, str):
            return encoded(value)
        if isinstance(value, dict):
            return _from_base64(value)
    elif dtype == "bool":
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif dtype in _INTEGERS:
        limits = np.iinfo(dtype)
        if isinstance(value, int) and limits.min <= value <= limits.max:
            return value
    elif dtype in _FLOATS:
        if isinstance(value, int | float):
            try:
                return float(value)
            except OverflowError as error:
                raise invalid(
                    "JSON Parse error: Number too big to be stored in double."
                ) from error
    else:
        raise RequestError(
            501, f"Conversion of JSON Value: {shown(value)} to type: {dtype}"
        )
    raise invalid(
        f"JSON Value: {shown(value)} Type: {_type_name(value)} is not of expected "
        f"type: {_NAMES.get(dtype, dtype)}"
    )


def encoded(text: str) -> bytes:
    """Returns a string in UTF-8.

    Raises:
        RequestError: it holds half a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error


def _from_base64(value: dict[str, Any]) -> bytes:
    if is_object(value):
        raise invalid(
            f"JSON Value: {shown(value)} not formatted correctly for base64 data"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def is_object(value: Any) -> bool:
    """Tells whether a value is an object that does not stand for binary data."""
    return isinstance(value, dict) and not (
        len(value) == 1 and isinstance(value.get("b64"), str)
    )


def _type_name(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    for kind, name in ((dict, "Object"), (list, "Array"), (str, "String")):
        if isinstance(value, kind):
            return name
    return "Number"


def shown(value: Any) -> str:
    """Returns the beginning of a value, for messages."""
    return json.dumps(value)[:_SHOWN]
