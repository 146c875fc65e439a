"""JSON and tensors, as TF Serving's own documentation and tests have them."""

import json

import numpy as np
import pytest

from export.server import json_answers, json_requests
from export.server.errors import RequestError
from export.server.signature import Signature, TensorSpec


def signature(**inputs: str) -> Signature:
    """A signature whose inputs have any shape."""
    specs = {name: TensorSpec(dtype, None) for name, dtype in sorted(inputs.items())}
    return Signature("serving_default", specs, {})


def read(body, **inputs):
    content = body.encode() if isinstance(body, str) else body
    return json_requests.read_inputs(json_requests.parse(content), signature(**inputs))


THREE = {"tag": "string", "signal": "int64", "sensor": "int32"}


def test_rows_of_several_inputs_are_the_columns():
    """The example of "Specifying input tensors", in both formats."""
    rows = """{"instances": [
       {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
       {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]}]}"""
    columns = """{"inputs": {
       "tag": ["foo", "bar"],
       "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
       "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}}"""
    found, as_rows = read(rows, **THREE)
    same, as_columns = read(columns, **THREE)
    assert (as_rows, as_columns) == (True, False)
    assert found["tag"].tolist() == [b"foo", b"bar"]
    assert found["signal"].dtype == np.int64 and found["sensor"].dtype == np.int32
    assert found["sensor"].shape == (2, 2, 2)
    for name in THREE:
        np.testing.assert_array_equal(found[name], same[name])


@pytest.mark.parametrize(
    ("body", "dtype", "expected"),
    [
        ('{"instances": ["foo", "bar", "baz"]}', "string", [b"foo", b"bar", b"baz"]),
        ('{"instances": [[[1, 2]], [[3, 4]]]}', "int32", [[[1, 2]], [[3, 4]]]),
        ('{"instances": [{"x": 1}, {"x": 2}]}', "int32", [1, 2]),
        ('{"inputs": {"x": [1, 2]}}', "int32", [1, 2]),
        ('{"inputs": 4}', "int32", 4),
        ('{"instances": [1, 2.0, 3e0, 0.007]}', "float32", [1, 2, 3, 0.007]),
        ('{"instances": [1435774380]}', "float32", [1435774336]),
        ('{"instances": [1e300, -1e300]}', "float32", [np.inf, -np.inf]),
        ('{"instances": [NaN, Infinity]}', "float64", [np.nan, np.inf]),
        ('{"instances": [true, false]}', "bool", [True, False]),
        ('{"instances": [{"b64": "aGVsbG8="}]}', "string", [b"hello"]),
        ('{"instances": [[{"b64": "/w=="}], ["a"]]}', "string", [[b"\xff"], [b"a"]]),
        ('{"inputs": {"b64": "aGVsbG8="}}', "string", b"hello"),
        ('{"inputs": []}', "string", []),
        ('\ufeff {"instances": [1]} and more', "int32", [1]),
        ('{"signature_name": "", "instances": [1], "other": {}}', "int32", [1]),
    ],
)
def test_tensors_of_one_input(body, dtype, expected):
    inputs, _ = read(body, x=dtype)
    assert inputs["x"].dtype == (object if dtype == "string" else dtype)
    assert inputs["x"].shape == np.shape(expected)
    if dtype == "string":
        assert inputs["x"].tolist() == expected
    else:
        np.testing.assert_array_equal(inputs["x"], np.asarray(expected, dtype))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", "JSON Parse error: Invalid value"),
        ('{"instances": [1, 2', "JSON Parse error: Invalid value"),
        ("[1]", "Is not object"),
        (b'{"instances": ["\xff"]}', "not UTF-8"),
        ('{"instances": ' + "[" * 100_000, "nested too deeply"),
        ('{"x": ' + "1" * 5000 + "}", "JSON Parse error: Invalid value"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": [1], "inputs": [1]}', "only one of"),
        ('{"instances": {"x": 1}}', "'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": ["x"]}', '"x" Type: String is not of expected type: int32'),
        ('{"instances": [1.0]}', "Type: Number is not of expected type: int32"),
        ('{"instances": [2147483648]}', "is not of expected type: int32"),
        ('{"instances": [true]}', "Type: True is not of expected type: int32"),
        ('{"instances": [null]}', "Type: Null is not of expected type: int32"),
        ('{"instances": [{"b64": "aGk="}]}', "not of expected type: int32"),
        ('{"instances": [1, {"x": 1}]}', "Expecting value/list but got object at item"),
        ('{"instances": [{"x": 1}, 1]}', "Expecting object but got list at item 1"),
        ('{"instances": [{"y": 1}]}', "keys must be equal to: x"),
        ('{"instances": [{"x": 1, "y": 1}]}', "keys must be equal to: x"),
        ('{"instances": [[1, 2], [3]]}', "unexpected size: 1 at level: 1 expected"),
        ('{"instances": [[1], 2]}', "found at incorrect level: 2"),
        ('{"instances": [1, [2]]}', "Encountered list at unexpected level: 1"),
        ('{"instances": [[], []]}', None),
        ('{"instances": ' + "[" * 40 + "]" * 40 + "}", "at unexpected level"),
        ('{"inputs": {"y": [1]}}', "Missing named input: x in 'inputs' object."),
    ],
)
def test_what_is_wrong_is_said(body, message):
    if message is None:
        assert read(body, x="int32")[0]["x"].shape == (2, 0)
        return
    with pytest.raises(RequestError) as error:
        read(body, x="int32")
    assert error.value.status == 400
    assert message in error.value.message
    assert len(error.value.message) < 600


def test_strings_that_are_none():
    for value, message in (
        ("1", "Type: Number is not of expected type: string"),
        ('"\\ud800"', "surrogate pair"),
        ('{"b64": "*"}', "Unable to base64 decode"),
        ('{"b64": 1}', "keys must be equal"),
    ):
        with pytest.raises(RequestError, match=message):
            read(f'{{"instances": [{value}]}}', x="string")
    with pytest.raises(RequestError, match="not formatted correctly for base64"):
        read('{"instances": [{"x": {"b64": 1}}]}', x="string")


def test_several_inputs_need_names():
    for body in ('{"instances": [1]}', '{"inputs": [1]}'):
        with pytest.raises(RequestError, match="multiple input tensors required"):
            read(body, x="int32", y="int32")


def test_a_shape_that_the_signature_does_not_take():
    spec = {"text": TensorSpec("string", (None,)), "n": TensorSpec("int32", (None, 2))}
    document = json_requests.parse(b'{"inputs": {"text": ["a"], "n": [[1, 2, 3]]}}')
    with pytest.raises(RequestError, match=r"'n' must be int32 \[\?,2\].*\[1,3\]"):
        json_requests.read_inputs(document, Signature("s", spec, {}))


def test_the_signature_that_a_request_names():
    assert json_requests.signature_name({}) == "serving_default"
    assert json_requests.signature_name({"signature_name": "embed"}) == "embed"
    with pytest.raises(RequestError, match="key must be a string value"):
        json_requests.signature_name({"signature_name": 100})
    with pytest.raises(RequestError, match="surrogate pair"):
        json_requests.signature_name({"signature_name": "\ud800"})


F = np.float32


@pytest.mark.parametrize(
    ("outputs", "rows", "columns"),
    [
        ({"y": np.array([3.5, 4.0, 5.5], F)}, "[3.5, 4.0, 5.5]", "[3.5, 4.0, 5.5]"),
        ({"y": np.array([0.2, 1e-9], F)}, "[0.2, 1e-09]", "[0.2, 1e-09]"),
        (
            {"y": np.array([1], F), "t": np.array([[b"a", b"\xc3\xa9"]], object)},
            '[{"t": ["a", "é"], "y": 1.0}]',
            '{"t": [["a", "é"]], "y": [1.0]}',
        ),
        (
            {"y": np.array([True]), "n_bytes": np.array([b"\xff"], object)},
            '[{"n_bytes": {"b64": "/w=="}, "y": true}]',
            '{"n_bytes": [{"b64": "/w=="}], "y": [true]}',
        ),
        (
            {"y": np.array([[np.nan, -np.inf, 0.2]], F)},
            "[[NaN, -Infinity, 0.2]]",
            "[[NaN, -Infinity, 0.2]]",
        ),
        ({"t": np.empty([2, 0], object)}, "[[], []]", "[[], []]"),
        ({"y": np.empty([0, 3], F), "z": np.empty([0], F)}, "[]", None),
    ],
)
def test_answers(outputs, rows, columns):
    for as_rows, key, expected in (
        (True, "predictions", rows),
        (False, "outputs", columns),
    ):
        if expected is not None:
            content = json_answers.write_outputs(outputs, rows=as_rows).decode()
            expected = f'{{"{key}": {expected}}}'
            assert repr(json.loads(content)) == repr(json.loads(expected))


def test_a_float32_is_written_with_its_own_digits():
    content = json_answers.write_outputs({"y": F(0.2)[None]}, rows=True)
    assert b"0.2]" in content
    assert json_answers.write_outputs({"y": np.array(0.2, F)}, rows=False) == (
        b'{"outputs":0.2}'
    )


def test_outputs_that_are_no_rows():
    for outputs, message in (
        ({"a": np.array(1.0)}, "has no shape information"),
        ({"a": np.ones(2), "b": np.ones(3)}, "inconsistent batch size"),
    ):
        with pytest.raises(RequestError, match=message):
            json_answers.write_outputs(outputs, rows=True)
