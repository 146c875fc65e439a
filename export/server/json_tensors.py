"""Tensors as TF Serving's REST API writes them in JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest and, for what is refused and in
which words, TF Serving's `tensorflow_serving/util/json_tensor.cc`. Stricter in two
places: strings must be valid Unicode (other bytes come as `b64`), and what is nested
deeper than Python's parser goes is refused.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from export.server.errors import RequestError, invalid
from export.server.signature import Signature, Tensors, TensorSpec

DEFAULT_SIGNATURE = "serving_default"
_DECODER = json.JSONDecoder()
# NumPy's own bound since 1.x; no signature comes near it.
_MAX_RANK = 32
_SHOWN = 256
_INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
_FLOATS = {"float16", "float32", "float64"}
# As TF Serving's messages call them.
_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def parse(body: bytes) -> dict[str, Any]:
    """Returns a request's JSON object.

    Raises:
        RequestError: it is none.
    """
    try:
        text = body.decode("utf-8-sig").lstrip(" \t\r\n")
        if not text:
            raise invalid("JSON Parse error: The document is empty")
        # What follows the first value is left unread, as TF Serving does.
        document, _ = _DECODER.raw_decode(text)
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: not UTF-8: {error}") from error
    except json.JSONDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid value: {error.msg} at offset: {error.pos}"
        ) from error
    except ValueError as error:  # A number of thousands of digits.
        raise invalid(f"JSON Parse error: Invalid value: {error}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: nested too deeply") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_shown(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns which signature a request is for.

    Raises:
        RequestError: its name is no string, or no Unicode.
    """
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    _encoded(name)
    return name or DEFAULT_SIGNATURE


def read_inputs(
    document: Mapping[str, Any], signature: Signature
) -> tuple[dict[str, np.ndarray], bool]:
    """Returns a predict request's tensors.

    Args:
        document: the request.
        signature: which it is for.

    Returns:
        The signature's inputs, strings as `bytes` in arrays of objects, and whether
        they came as rows (`instances`), which the answer is to come as too.

    Raises:
        RequestError: they are not what the signature takes.
    """
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {_shown(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid(
                f"JSON Value: {_shown(document)} Expecting 'instances' to be an "
                "list/array"
            )
        if not instances:
            raise invalid(
                f"JSON Value: {_shown(document)} No values in 'instances' array"
            )
        given = _columns(instances, signature)
    elif "inputs" in document:
        given = _named(document["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    tensors = {}
    for name, spec in signature.inputs.items():
        tensors[name] = array = _array(given[name], spec)
        if not spec.allows(array.shape):
            raise invalid(
                f"Input '{name}' must be {spec}. Received the shape "
                f"[{','.join(map(str, array.shape))}]"
            )
    return tensors, "instances" in document


def _columns(instances: list[Any], signature: Signature) -> dict[str, list[Any]]:
    """Returns the values of rows, by name of the input."""
    names = set(signature.inputs)
    objects = _is_object(instances[0])
    if not objects and len(names) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    for number, row in enumerate(instances):
        if _is_object(row) != objects:
            expected, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid(
                f"Expecting {expected} but got {got} at item {number} of input list"
            )
        if objects and row.keys() != names:
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {_shown(row)} keys must be equal to: "
                f"{','.join(sorted(names))}"
            )
    if objects:
        return {name: [row[name] for row in instances] for name in names}
    (name,) = names
    return {name: instances}


def _named(inputs: Any, signature: Signature) -> dict[str, Any]:
    """Returns the values of columns, by name of the input."""
    names = list(signature.inputs)
    if not _is_object(inputs):
        if len(names) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        return {names[0]: inputs}
    for name in names:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return inputs


def _array(value: Any, spec: TensorSpec) -> np.ndarray:
    """Returns nested lists as a tensor."""
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
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} "
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
            return _encoded(value)
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
            501, f"Conversion of JSON Value: {_shown(value)} to type: {dtype}"
        )
    raise invalid(
        f"JSON Value: {_shown(value)} Type: {_type_name(value)} is not of expected "
        f"type: {_NAMES.get(dtype, dtype)}"
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error


def _from_base64(value: dict[str, Any]) -> bytes:
    if _is_object(value):
        raise invalid(
            f"JSON Value: {_shown(value)} not formatted correctly for base64 data"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def _is_object(value: Any) -> bool:
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


def _shown(value: Any) -> str:
    return json.dumps(value)[:_SHOWN]


def write_outputs(outputs: Tensors, *, rows: bool) -> bytes:
    """Returns a predict request's answer.

    Args:
        outputs: by name; strings as `bytes` in arrays of objects.
        rows: whether the request came as rows.

    Raises:
        RequestError: as rows, outputs of different numbers of rows.
    """
    values = {name: _plain(name, array) for name, array in sorted(outputs.items())}
    finite = all(
        np.isfinite(array).all()
        for array in values.values()
        if isinstance(array, np.ndarray) and array.dtype.kind == "f"
    )
    dump = _dump if finite else _dump_with_tokens
    if not rows:
        (first, *more) = values.values()
        return dump({"outputs": values if more else first})
    (batch, *_) = (array.shape[:1] for array in outputs.values())
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if array.shape[:1] != batch:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {batch[0] if batch else 1}"
            )
    if len(values) == 1:
        (only,) = values.values()
        return dump({"predictions": only})
    names = list(values)
    items = zip(*values.values(), strict=True)
    return dump({"predictions": [dict(zip(names, i, strict=True)) for i in items]})


def _plain(name: str, array: np.ndarray) -> Any:
    """Returns strings as lists, and numbers as an array that JSON can be made of."""
    if array.dtype == object:
        write = _to_base64 if name.endswith("_bytes") else _to_text
        return np.vectorize(write, otypes=[object])(array).tolist()
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    return np.ascontiguousarray(array).reshape(array.shape)


def _to_text(value: bytes) -> str:
    return value.decode(errors="replace")


def _to_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _dump(value: Any) -> bytes:
    """Returns JSON; a float32 has the digits that tell it from its neighbors."""
    # An array without dimensions is its one number.
    return orjson.dumps(
        value, option=orjson.OPT_SERIALIZE_NUMPY, default=lambda array: array[()]
    )


def _dump_with_tokens(value: Any) -> bytes:
    """Returns the same with NaN and Infinity, which JSON itself does not have."""
    return json.dumps(value, default=_numbers, ensure_ascii=False).encode()


def _numbers(value: Any) -> Any:
    if np.ndim(value):
        return list(value)
    return float(str(value)) if np.asarray(value).dtype.kind == "f" else value.item()
