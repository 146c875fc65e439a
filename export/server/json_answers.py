"""Answers as TF Serving's REST API writes them in JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import json
from typing import Any

import numpy as np
import orjson

from export.server.errors import invalid
from export.server.signature import Tensors


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
