"""Requests as TF Serving's REST API takes them in JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest and, for what is refused and in
which words, TF Serving's `tensorflow_serving/util/json_tensor.cc`. Stricter in two
places: strings must be valid Unicode (other bytes come as `b64`), and what is nested
deeper than Python's parser goes is refused.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.server.errors import invalid
from export.server.json_values import encoded, is_object, shown, to_array
from export.server.signature import Signature

DEFAULT_SIGNATURE = "serving_default"
_DECODER = json.JSONDecoder()


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
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns which signature a request is for.

    Raises:
        RequestError: its name is no string, or no Unicode.
    """
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    encoded(name)
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
            f"JSON Value: {shown(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid(
                f"JSON Value: {shown(document)} Expecting 'instances' to be an "
                "list/array"
            )
        if not instances:
            raise invalid(
                f"JSON Value: {shown(document)} No values in 'instances' array"
            )
        given = _columns(instances, signature)
    elif "inputs" in document:
        given = _named(document["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    tensors = {}
    for name, spec in signature.inputs.items():
        tensors[name] = array = to_array(given[name], spec)
        if not spec.allows(array.shape):
            raise invalid(
                f"Input '{name}' must be {spec}. Received the shape "
                f"[{','.join(map(str, array.shape))}]"
            )
    return tensors, "instances" in document


def _columns(instances: list[Any], signature: Signature) -> dict[str, list[Any]]:
    """Returns the values of rows, by name of the input."""
    names = set(signature.inputs)
    objects = is_object(instances[0])
    if not objects and len(names) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    for number, row in enumerate(instances):
        if is_object(row) != objects:
            expected, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid(
                f"Expecting {expected} but got {got} at item {number} of input list"
            )
        if objects and row.keys() != names:
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {shown(row)} keys must be equal to: "
                f"{','.join(sorted(names))}"
            )
    if objects:
        return {name: [row[name] for row in instances] for name in names}
    (name,) = names
    return {name: instances}


def _named(inputs: Any, signature: Signature) -> dict[str, Any]:
    """Returns the values of columns, by name of the input."""
    names = list(signature.inputs)
    if not is_object(inputs):
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
