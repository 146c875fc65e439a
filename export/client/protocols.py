"""One request to a model server, over REST or gRPC."""

import base64
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from bert_tf.errors import InputError
from export.client.rows import Row

_MISSING = "This needs the client's packages: pip install 'bert-tf[client]'"


class RequestFailed(Exception):
    """A request that got no answer; the text says why."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A model on a server.

    Attributes:
        server: `http://host:8501` or `https://...` for REST, `grpc://host:8500` or
            `grpcs://...` (TLS) for gRPC.
        model: its name.
        signature: what to call.
        version: number of a version; None for the label, or else the newest.
        label: of a version, as `canary`.
        timeout: seconds that an answer may take.
        token: sent as a bearer token; None for none.

    Raises:
        InputError: a token that fits no header.
    """

    server: str
    model: str
    signature: str = "serving_default"
    version: int | None = None
    label: str | None = None
    timeout: float = 30.0
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and not re.fullmatch("[!-~]+", self.token):
            raise InputError(
                "--token_file: a token is printable ASCII characters without blanks. "
                f"Received: {len(self.token)} characters, not all of which are."
            )


class Client(Protocol):
    """Asks one model; any number of threads at a time."""

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Returns the outputs of each row, by name.

        Raises:
            RequestFailed: the server refuses the request or is not there.
        """
        ...

    def close(self) -> None:
        """Closes the connections."""
        ...


def connect(target: Target, connections: int) -> Client:
    """Returns a client of the protocol that the server's address says.

    Args:
        target: whom to ask.
        connections: requests at a time.

    Raises:
        InputError: no address, no such protocol, or packages that it needs are
            missing.
    """
    try:
        scheme = urlsplit(target.server).scheme
    except ValueError as error:
        raise InputError(f"--server={target.server}: {error}.") from None
    if scheme in ("http", "https"):
        return RestClient(target, connections)
    if scheme in ("grpc", "grpcs"):
        return GrpcClient(target)
    raise InputError(
        "--server must begin with http://, https://, grpc:// or grpcs://. Received: "
        f"{target.server!r}"
    )


class RestClient:
    """TF Serving's REST API, rows as instances; TensorFlow is not imported.

    Source: TensorFlow Serving, "RESTful API".
    """

    def __init__(self, target: Target, connections: int) -> None:
        try:
            import urllib3
        except ImportError:
            raise InputError(_MISSING) from None
        self._error = urllib3.exceptions.HTTPError
        self._target = target
        headers = {"Content-Type": "application/json"}
        if target.token is not None:
            headers["Authorization"] = f"Bearer {target.token}"
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            headers=headers,
            timeout=target.timeout,
            retries=False,
        )
        path = f"{target.server.rstrip('/')}/v1/models/{quote(target.model)}"
        if target.version is not None:
            path += f"/versions/{target.version}"
        elif target.label is not None:
            path += f"/labels/{quote(target.label)}"
        self._path = path
        self._only_output: str | None = None

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Returns the outputs of each row; see `Client`."""
        body = {"signature_name": self._target.signature, "instances": list(rows)}
        answer = self._call("POST", ":predict", body)
        predictions = answer.get("predictions")
        if not isinstance(predictions, list) or len(predictions) != len(rows):
            raise RequestFailed(
                f"{self._path}: expected {len(rows)} predictions. Received: "
                f"{json.dumps(answer):.200}"
            )
        # A signature with a single output answers without its name.
        return [
            value if isinstance(value, dict) else {self._output_name(): value}
            for value in predictions
        ]

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _output_name(self) -> str:
        if self._only_output is None:
            metadata = self._call("GET", "/metadata")
            try:
                definition = metadata["metadata"]["signature_def"]["signature_def"]
                (self._only_output,) = definition[self._target.signature]["outputs"]
            except (KeyError, TypeError, ValueError):
                raise RequestFailed(
                    f"{self._path}/metadata: no outputs of "
                    f"{self._target.signature!r} in it."
                ) from None
        return self._only_output

    def _call(self, method: str, suffix: str, body: Any = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        try:
            response = self._pool.request(method, self._path + suffix, body=content)
            data = response.data
        except self._error as error:
            raise RequestFailed(f"{self._path}: {error}") from None
        try:
            answer = json.loads(data)
            problem = answer.get("error") if isinstance(answer, dict) else None
        except ValueError:
            answer, problem = None, data[:200].decode(errors="replace")
        if response.status != 200 or problem or not isinstance(answer, dict):
            raise RequestFailed(f"HTTP {response.status}: {problem or answer}")
        return answer


class GrpcClient:
    """TF Serving's `PredictionService`."""

    def __init__(self, target: Target) -> None:
        try:
            import grpc
            import tensorflow as tf
            from tensorflow_serving.apis import (
                get_model_metadata_pb2,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError:
            raise InputError(_MISSING) from None
        self._tf, self._rpc_error = tf, grpc.RpcError
        self._messages, self._target = predict_pb2, target
        address = urlsplit(target.server)
        options = [("grpc.max_receive_message_length", -1)]
        if address.scheme == "grpcs":
            self._channel = grpc.secure_channel(
                address.netloc, grpc.ssl_channel_credentials(), options
            )
        else:
            self._channel = grpc.insecure_channel(address.netloc, options)
        self._metadata = (
            [("authorization", f"Bearer {target.token}")] if target.token else []
        )
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        self._name_model(request.model_spec)
        answer = self._call(self._stub.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        if target.signature not in signatures.signature_def:
            raise InputError(
                f"{target.model}: no signature {target.signature!r}, but "
                f"{', '.join(sorted(signatures.signature_def))}."
            )
        inputs = signatures.signature_def[target.signature].inputs
        self._types = {name: info.dtype for name, info in inputs.items()}

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Returns the outputs of each row; see `Client`."""
        request = self._messages.PredictRequest()
        self._name_model(request.model_spec)
        request.model_spec.signature_name = self._target.signature
        for name in rows[0]:
            if name not in self._types:
                raise RequestFailed(
                    f"no input {name!r}, but {', '.join(sorted(self._types))}"
                )
            try:
                tensor = self._tensor([_plain(row[name]) for row in rows], name)
            except (KeyError, OverflowError, TypeError, ValueError) as error:
                raise RequestFailed(f"input {name!r}: {error}") from None
            request.inputs[name].CopyFrom(tensor)
        answer = self._call(self._stub.Predict, request)
        columns = {
            name: _decoded(self._tf.make_ndarray(value).tolist())
            for name, value in sorted(answer.outputs.items())
        }
        return [{name: columns[name][i] for name in columns} for i in range(len(rows))]

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _tensor(self, values: list[Any], name: str) -> Any:
        dtype = self._tf.dtypes.as_dtype(self._types[name])
        tensor = self._tf.make_tensor_proto(values, dtype)
        # Of a number that is too large TensorFlow keeps the lower bits.
        if dtype.is_integer and self._tf.make_ndarray(tensor).tolist() != values:
            raise ValueError(f"a number that {dtype.name} cannot hold")
        return tensor

    def _name_model(self, spec: Any) -> None:
        spec.name = self._target.model
        if self._target.version is not None:
            spec.version.value = self._target.version
        elif self._target.label is not None:
            spec.version_label = self._target.label

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(
                request, timeout=self._target.timeout, metadata=self._metadata
            )
        except self._rpc_error as error:
            raise RequestFailed(f"{error.code().name}: {error.details()}") from None


def _plain(value: Any) -> Any:
    """Returns a value with `{"b64": ...}` as bytes."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"])
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
