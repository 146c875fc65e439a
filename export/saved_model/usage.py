"""How an export is asked, for its README: each signature, with a real answer."""

import base64
import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)

from bert_tf.storage.wildcards import without_wildcards
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import sample_requests, signature_meanings
from export.saved_model.signature_meanings import Meaning

# Vectors and logits are shown by their beginning.
_SHOWN = 4


class Tensor(NamedTuple):
    """An input or output of a signature.

    Attributes:
        dtype: name of its type.
        shape: of its dimensions, None where any size will do.
    """

    dtype: str
    shape: tuple[int | None, ...]


def describe(
    directory: str | os.PathLike[str], trained: TrainedModel, *, model_name: str
) -> str:
    """Returns how to ask an export, as Markdown.

    Args:
        directory: the SavedModel, which is run.
        trained: what it was made from.
        model_name: what servers call it.
    """
    with without_wildcards(Path(directory)) as path:
        signatures = tf.saved_model.load(os.fspath(path)).signatures
    requests = sample_requests.for_signatures(
        {name: _inputs(function) for name, function in signatures.items()},
        lambda names: sample_requests.example(
            names,
            trained.folder.vocabulary,
            trained.max_seq_length,
            masked=trained.task.name == "pretraining",
        ),
    )
    requests = {
        name: sample_requests.fit(
            request, {k: spec.shape for k, spec in _inputs(signatures[name]).items()}
        )
        for name, request in requests.items()
    }
    word = shlex.quote(model_name)
    lines = [
        "## Usage",
        "",
        "TensorFlow Serving answers over REST, by default on port 8501, and gRPC, on "
        "8500:",
        "",
        "```",
        "docker run -p 8500:8500 -p 8501:8501 "
        f'-v "$PWD"/{word}:/models/{word} -e MODEL_NAME={word} tensorflow/serving',
        "```",
        "",
        "The same over gRPC in Python, with `tensorflow-serving-api`; what to set "
        "`request` to stands at each signature:",
        "",
        "```python",
        "import grpc",
        "import tensorflow as tf",
        "from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc",
        "",
        'channel = grpc.insecure_channel("localhost:8500")',
        "stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)",
        "```",
        "",
        "The answers below are this model's own, numbers rounded to four digits and "
        f"long lists cut to {_SHOWN} (`...`).",
    ]
    for name, function in signatures.items():
        lines += _signature(name, function, requests[name], trained, model_name)
    return "\n".join(lines)


def _signature(
    name: str,
    function: Callable[..., Mapping[str, tf.Tensor]],
    request: Mapping[str, Any],
    trained: TrainedModel,
    model_name: str,
) -> list[str]:
    specs = _inputs(function)
    answer = function(**{k: tf.constant(v, specs[k].dtype) for k, v in request.items()})
    given = signature_meanings.inputs()
    meanings = signature_meanings.outputs(trained.task.name, name)
    body = {"signature_name": name, "instances": rows(request)}
    columns = {key: answer[key].numpy() for key in sorted(answer)}
    # Of a single output, the name is left out.
    shown = [
        {key: _shown(value[0]) for key, value in columns.items()}
        if len(columns) > 1
        else _shown(next(iter(columns.values()))[0])
    ]
    outputs = {
        key: Tensor(spec.dtype.name, tuple(spec.shape))
        for key, spec in function.structured_outputs.items()  # type: ignore[attr-defined]
    }
    return [
        "",
        f"### `{name}`",
        "",
        "| | name | type | shape | what it is |",
        "|---|---|---|---|---|",
        *(_row("in", key, spec, given[key]) for key, spec in specs.items()),
        *(_row("out", key, outputs[key], meanings[key]) for key in sorted(outputs)),
        "",
        "```",
        f"curl -d {shlex.quote(json.dumps(body, ensure_ascii=False))} \\",
        f"    localhost:8501/v1/models/{quote(model_name)}:predict",
        _cut(json.dumps({"predictions": shown}, ensure_ascii=False)),
        "```",
        "",
        "```python",
        "request = predict_pb2.PredictRequest()",
        f"request.model_spec.name = {json.dumps(model_name, ensure_ascii=False)}",
        f'request.model_spec.signature_name = "{name}"',
        *(
            f'request.inputs["{key}"].CopyFrom('
            f"tf.make_tensor_proto({request[key]!r}, tf.{spec.dtype}))"
            for key, spec in specs.items()
        ),
        "outputs = stub.Predict(request, timeout=10).outputs",
        *(
            f'tf.make_ndarray(outputs["{key}"])  # {_cut(_python(values))}'
            for key, values in columns.items()
        ),
        "```",
    ]


def rows(request: Mapping[str, Any]) -> list[Any]:
    """Returns a request's rows as TF Serving's REST API takes them.

    Args:
        request: input -> list over the batch; bytes become base64.

    Source: TensorFlow Serving, "RESTful API", "Specifying input tensors in row format".
    """
    encoded = {
        name: [
            {"b64": base64.b64encode(value).decode()}
            if isinstance(value, bytes)
            else value
            for value in values
        ]
        for name, values in request.items()
    }
    if len(encoded) == 1:
        return next(iter(encoded.values()))
    return [
        dict(zip(encoded, row, strict=True))
        for row in zip(*encoded.values(), strict=True)
    ]


def _inputs(function: Any) -> dict[str, Tensor]:
    """Returns the inputs of a loaded signature, in order of their names."""
    specs = function.structured_input_signature[1]
    return {
        name: Tensor(specs[name].dtype.name, tuple(specs[name].shape))
        for name in sorted(specs)
    }


def _row(direction: str, name: str, tensor: Tensor, meaning: Meaning) -> str:
    sizes = [
        dimension if size is None else str(size)
        for dimension, size in zip(meaning.shape, tensor.shape, strict=True)
    ]
    shape = f"`[{', '.join(sizes)}]`"
    return f"| {direction} | `{name}` | {tensor.dtype} | {shape} | {meaning.text} |"


def _shown(values: np.ndarray | np.generic | bytes) -> Any:
    """Returns a value as JSON shows it, the rest of a long list as `...`."""
    if isinstance(values, np.ndarray) and values.ndim:
        shown = [_shown(value) for value in values[:_SHOWN]]
        return shown + ["..."] * (len(values) > _SHOWN)
    value = values.item() if isinstance(values, np.ndarray | np.generic) else values
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _python(values: np.ndarray) -> str:
    return json.dumps(_shown(values), ensure_ascii=False)


def _cut(line: str) -> str:
    return line.replace('"..."', "...")
