"""TF Serving's REST routes, and what stands beside them.

Source: https://www.tensorflow.org/tfx/serving/api_rest; errors are those of TF
Serving's `http_rest_api_util.cc`, `http_server.cc` and `get_model_status_impl.cc`.
"""

import contextlib
import dataclasses
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from absl import logging
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from export.server import json_answers, json_requests, metrics, page
from export.server.batcher import Batcher
from export.server.errors import RequestError, invalid
from export.server.exchange import apart, read_body, wait_for_answer
from export.server.model_host import ModelHost
from export.server.signature import Tensors

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)",
    re.IGNORECASE,
)
_STATUS = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes:
        max_request_bytes: of its body.
        max_rows: that it has.
        seconds: until it has its answer.
    """

    max_request_bytes: int
    max_rows: int
    seconds: float


class Server:
    """Answers requests for one model.

    Args:
        host: has the model.
        batcher: runs it.
        counters: count what happens.
        limits: of requests.
        token: that requests must bear, if any.
    """

    def __init__(
        self,
        host: ModelHost,
        batcher: Batcher,
        counters: metrics.Metrics,
        limits: Limits,
        token: bytes | None,
    ) -> None:
        self._host = host
        self._batcher = batcher
        self._counters = counters
        self._limits = limits
        self._token = token

    def application(
        self, run: Callable[[], contextlib.AbstractAsyncContextManager[None]]
    ) -> Starlette:
        """Returns the application.

        Args:
            run: entered before the first request and left after the last one.
        """

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with run():
                yield

        routes = [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route(metrics.PATH, self._guarded(self._metrics)),
            Route("/model.json", self._guarded(self._about)),
            *page.routes(),
            Route(
                "/v1/{path:path}",
                self._guarded(self._v1),
                methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"],
            ),
        ]
        return Starlette(
            routes=routes,
            lifespan=lifespan,
            exception_handlers={HTTPException: _http_error},
        )

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Asks for the token, makes errors of exceptions, and counts."""

        async def guarded(request: Request) -> Response:
            start = time.monotonic()
            method = "other"
            try:
                self._authorize(request)
                matched = _PREDICT.fullmatch(request.url.path)
                method = matched["method"].lower() if matched else "other"
                response = await answer(request)
            except RequestError as error:
                response = _error(error.status, error.message, error.headers)
            except ClientDisconnect:
                response = _error(499, "The client has gone.")
            except Exception as error:
                logging.exception("%s %s failed", request.method, request.url.path)
                response = _error(500, f"Internal error: {type(error).__name__}")
            self._counters.requests.labels(method, str(response.status_code)).inc()
            self._counters.seconds.labels(method).observe(time.monotonic() - start)
            return response

        return guarded

    def _authorize(self, request: Request) -> None:
        if self._token is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given_bytes = given.strip().encode("utf-8", "surrogateescape")
        same = hmac.compare_digest(given_bytes, self._token)
        if scheme.lower() != "bearer" or not same:
            raise RequestError(
                401,
                "This server wants a token: Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer", "Connection": "close"},
            )

    async def _health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _: Request) -> Response:
        if self._host.model is None:
            return PlainTextResponse("loading\n", 503, {"Retry-After": "1"})
        return PlainTextResponse("ok\n")

    async def _metrics(self, _: Request) -> Response:
        self._counters.version.set(self._host.version)
        return Response(self._counters.page(), media_type=metrics.CONTENT_TYPE)

    async def _about(self, _: Request) -> Response:
        known = ("task", "max_seq_length", "step", "precision")
        found = self._host.description
        return _json(
            {
                "name": self._host.name,
                "version": str(self._host.version),
                **{key: found[key] for key in known if key in found},
            }
        )

    async def _v1(self, request: Request) -> Response:
        path = str(request.scope["raw_path"].decode("ascii", "replace"))
        predict, status = _PREDICT.fullmatch(path), _STATUS.fullmatch(path)
        malformed = f"Malformed request: {request.method} {path}"
        if request.method == "POST" and predict:
            self._check_model(predict)
            if predict["method"].lower() != "predict":
                raise invalid(
                    f"This server does not {predict['method'].lower()}: no signature "
                    "of its models takes features. Use :predict."
                )
            return await self._predict(request)
        if request.method == "GET" and status:
            if status["name"] is None:
                raise invalid("Missing model name in request.")
            if status["metadata"]:
                self._check_model(status)
                return self._metadata()
            return self._status(status)
        raise RequestError(400 if predict or status else 404, malformed)

    def _check_model(self, match: re.Match[str]) -> None:
        """Refuses requests for models and versions that are not served."""
        name = unquote(match["name"])
        version = _version(match)
        if match["label"] is not None:
            raise invalid(
                f"Unrecognized servable version label: {unquote(match['label'])}"
            )
        host = self._host
        if name != host.name or version not in (None, host.version):
            wanted = f"Latest({name})"
            if version is not None:
                wanted = f"Specific({name}, {version})"
            raise RequestError(404, f"Servable not found for request: {wanted}")
        if host.model is None:
            raise RequestError(503, f"{name} is being loaded.", {"Retry-After": "1"})

    def _status(self, match: re.Match[str]) -> Response:
        name, host = unquote(match["name"]), self._host
        version = _version(match)
        states = {}
        if host.loading is not None:
            states[host.loading] = "LOADING"
        if host.model is not None:
            states[host.version] = "AVAILABLE"
        if match["label"] is not None:
            raise invalid(
                f"Unrecognized servable version label: {unquote(match['label'])}"
            )
        if name != host.name or not states:
            states = {}
        if version is not None and version not in states:
            raise RequestError(404, f"Could not find version {version} of model {name}")
        if not states:
            raise RequestError(404, f"Could not find any versions of model {name}")
        return _json(
            {
                "model_version_status": [
                    {
                        "version": str(number),
                        "state": state,
                        "status": {"error_code": "OK", "error_message": ""},
                    }
                    for number, state in sorted(states.items(), reverse=True)
                    if version in (None, number)
                ]
            }
        )

    def _metadata(self) -> Response:
        host = self._host
        return _json(
            {
                "model_spec": {
                    "name": host.name,
                    "signature_name": "",
                    "version": str(host.version),
                },
                "metadata": {"signature_def": {"signature_def": host.metadata}},
            }
        )

    async def _predict(self, request: Request) -> Response:
        deadline = time.monotonic() + self._limits.seconds
        # The version that was asked for, whatever comes while the body arrives.
        model = self._host.model
        assert model is not None  # `_check_model` has seen it.
        body = await read_body(request, self._limits.max_request_bytes, deadline)
        prepared = await apart(len(body), self._prepare, model, body)
        signature, inputs, rows = prepared
        outputs = await wait_for_answer(
            request,
            self._batcher.answer(model.run, signature, inputs),
            deadline,
            self._limits.seconds,
        )
        size = sum(array.size * 8 for array in outputs.values())
        content = await apart(size, json_answers.write_outputs, outputs, rows=rows)
        return Response(content, media_type="application/json")

    def _prepare(self, model: Any, body: bytes) -> Any:
        document = json_requests.parse(body)
        name = json_requests.signature_name(document)
        signature = model.signatures.get(name)
        if signature is None and name in model.signature_defs:
            raise invalid(f"Failed to get input map for signature: {name}")
        if signature is None:
            raise invalid(
                f'Serving signature name: "{name}" not found in signature def'
            )
        inputs, rows = json_requests.read_inputs(document, signature)
        self._check_rows(inputs)
        return signature, inputs, rows

    def _check_rows(self, inputs: Tensors) -> None:
        most = max(len(array) if array.ndim else 1 for array in inputs.values())
        if most > self._limits.max_rows:
            raise invalid(
                f"A request may have {self._limits.max_rows} rows. Received: {most}. "
                "Send several."
            )


def _version(match: re.Match[str]) -> int | None:
    if match["version"] is None:
        return None
    if len(match["version"]) > 18:  # More than int64 holds.
        raise invalid(f"Failed to convert version: {match['version']} to numeric.")
    return int(match["version"])


def _json(value: Any) -> Response:
    return Response(json.dumps(value, indent=1), media_type="application/json")


def _error(
    status: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    content = json.dumps({"error": message})
    return Response(content, status, headers, media_type="application/json")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _error(error.status_code, error.detail, headers)
