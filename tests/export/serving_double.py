"""A test double of TF Serving: its gRPC and REST interfaces on the official protos.

Usage: `python serving_double.py MODEL_NAME SAVED_MODEL_DIR`. Prints the gRPC port and
the REST port in a line, and serves until it is killed. It imports nothing of ours, and
does not batch; where TF Serving's own binary can be had, `test_tf_serving_container.py`
takes its place.
"""

import base64
import concurrent.futures
import http.server
import json
import re
import sys

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict|/metadata)?"
)


class Model:
    def __init__(self, name, directory):
        self.name = name
        self.version = int(directory.rstrip("/").rpartition("/")[2])
        self._loaded = tf.saved_model.load(directory)
        with open(f"{directory}/saved_model.pb", "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
        self.definitions = {
            name: definition
            for name, definition in saved.meta_graphs[0].signature_def.items()
            if name != "__saved_model_init_op"
        }

    def check(self, name, version, label):
        known = {None, "", "stable"}
        if name != self.name or version not in (None, self.version):
            raise LookupError(f"Servable not found for request: Latest({name})")
        if label not in known:
            raise LookupError(f"Unrecognized servable version label: {label}")

    def run(self, signature, inputs):
        """Maps tensors by name to arrays by name; raises ValueError if refused."""
        if signature not in self.definitions:
            raise ValueError(f'Serving signature name: "{signature}" not found')
        wanted = self.definitions[signature].inputs
        if set(inputs) != set(wanted):
            raise ValueError(f"expected inputs {sorted(wanted)}, got {sorted(inputs)}")
        for name, value in inputs.items():
            if value.dtype != wanted[name].dtype:
                raise ValueError(f"input {name} is {value.dtype.name}")
        try:
            outputs = self._loaded.signatures[signature](**inputs)
        except (tf.errors.OpError, TypeError) as error:
            raise ValueError(getattr(error, "message", str(error))) from None
        return {name: outputs[name].numpy() for name in sorted(outputs)}


class Grpc(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, model):
        self._model = model

    def _check(self, spec, context):
        version = spec.version.value if spec.HasField("version") else None
        try:
            self._model.check(spec.name, version, spec.version_label)
        except LookupError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))

    def Predict(self, request, context):
        self._check(request.model_spec, context)
        try:
            inputs = {
                name: tf.constant(tf.make_ndarray(value), tf.as_dtype(value.dtype))
                for name, value in request.inputs.items()
            }
            outputs = self._model.run(
                request.model_spec.signature_name or "serving_default", inputs
            )
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        answer = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def GetModelMetadata(self, request, context):
        self._check(request.model_spec, context)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in self._model.definitions.items():
            signatures.signature_def[name].CopyFrom(definition)
        answer.metadata["signature_def"].Pack(signatures)
        answer.model_spec.name = self._model.name
        answer.model_spec.version.value = self._model.version
        return answer

    def GetModelStatus(self, request, context):
        self._check(request.model_spec, context)
        answer = get_model_status_pb2.GetModelStatusResponse()
        answer.model_version_status.add(version=self._model.version, state="AVAILABLE")
        return answer


def rest(model):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def _send(self, code, value):
            content = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, method):
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            match = _PATH.fullmatch(self.path)
            if not match:
                return self._send(404, {"error": f"Malformed request: {self.path}"})
            name, version, label, action = match.groups()
            try:
                model.check(name, int(version) if version else None, label)
                if (method, action) == ("POST", ":predict"):
                    return self._send(200, self._predict(json.loads(body)))
            except LookupError as error:
                return self._send(404, {"error": str(error)})
            except ValueError as error:
                return self._send(400, {"error": str(error)})
            if action == "/metadata":
                return self._send(200, self._metadata())
            status = {"error_code": "OK", "error_message": ""}
            entry = {"version": str(model.version), "state": "AVAILABLE"}
            return self._send(
                200, {"model_version_status": [{**entry, "status": status}]}
            )

        def do_GET(self):
            self._answer("GET")

        def do_POST(self):
            self._answer("POST")

        def _predict(self, body):
            signature = body.get("signature_name", "serving_default")
            if signature not in model.definitions:
                raise ValueError(f'Serving signature name: "{signature}" not found')
            wanted = model.definitions[signature].inputs
            by_row = "instances" in body
            given = body["instances"] if by_row else body["inputs"]
            if by_row:
                named = [
                    row
                    if isinstance(row, dict) and set(row) != {"b64"}
                    else dict.fromkeys(wanted, row)
                    for row in given
                ]
                given = {name: [row[name] for row in named] for name in named[0]}
            elif not isinstance(given, dict):
                given = dict.fromkeys(wanted, given)
            inputs = {
                name: tf.constant(_plain(value), tf.as_dtype(wanted[name].dtype))
                for name, value in given.items()
                if name in wanted
            }
            if len(inputs) != len(given):
                raise ValueError(f"unexpected inputs: {sorted(given)}")
            outputs = {n: _json(v) for n, v in model.run(signature, inputs).items()}
            if not by_row:
                only = len(outputs) == 1
                return {"outputs": next(iter(outputs.values())) if only else outputs}
            if len(outputs) == 1:
                return {"predictions": next(iter(outputs.values()))}
            rows = zip(*outputs.values(), strict=True)
            return {"predictions": [dict(zip(outputs, r, strict=True)) for r in rows]}

        def _metadata(self):
            signatures = {
                name: {
                    "inputs": {key: {} for key in definition.inputs},
                    "outputs": {key: {} for key in definition.outputs},
                }
                for name, definition in model.definitions.items()
            }
            return {
                "model_spec": {"name": model.name, "version": str(model.version)},
                "metadata": {"signature_def": {"signature_def": signatures}},
            }

    return Handler


def _plain(value):
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value


def _json(value):
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def main(name, directory):
    model = Model(name, directory)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    servicer = Grpc(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        servicer, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), rest(model))
    print(grpc_port, web.server_port, flush=True)
    web.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
