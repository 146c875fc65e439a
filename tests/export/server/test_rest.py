"""TF Serving's routes, errors and limits, in front of a model that adds."""

import asyncio
import base64
import contextlib
import json
import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from export.server import metrics
from export.server.batcher import Batcher
from export.server.rest import Limits, Server
from export.server.signature import Signature, TensorSpec

PREDICT = "/v1/models/half_plus_two:predict"
TOKEN = b"0123456789abcdef"


class HalfPlusTwo:
    """TF Serving's own example."""

    def __init__(self):
        floats = {"x": TensorSpec("float32", None)}
        self.signatures = {
            name: Signature(name, floats, {"y": TensorSpec("float32", None)})
            for name in ("serving_default", "broken")
        }
        self.signature_defs = {**self.signatures, "init": None}
        self.open = threading.Event()
        self.open.set()

    def run(self, signature, inputs):
        assert self.open.wait(10)
        if signature.name == "broken":
            raise KeyError("gone")
        return {"y": inputs["x"] / 2 + 2}


class Client:
    """Asks an application without a network."""

    def __init__(self, *, model=None, token=None, seconds=10.0, max_queue=10):
        self.model = model or HalfPlusTwo()
        self.host = SimpleNamespace(
            name="half_plus_two",
            version=123,
            model=self.model,
            loading=None,
            metadata={"serving_default": {}},
            description={"task": {"name": "adding"}, "checkpoint": "/home/secret"},
        )
        self.batcher = Batcher(
            max_batch_size=8,
            max_delay=0,
            max_queue=max_queue,
            observe=lambda rows, seconds: None,
        )
        counters = metrics.Metrics(lambda: self.batcher.num_waiting)
        limits = Limits(max_request_bytes=1000, max_rows=4, seconds=seconds)
        server = Server(self.host, self.batcher, counters, limits, token)
        self.application = server.application(contextlib.nullcontext)

    async def __aenter__(self):
        self._worker = asyncio.create_task(self.batcher.work())
        return self

    async def __aexit__(self, *error):
        self._worker.cancel()

    async def ask(self, method, path, body=b"", headers=(), *, parts=None, gone=None):
        """Returns status, headers and body of an answer.

        Args:
            parts: of the body, in place of it; a number is a pause of so many seconds.
            gone: set when the client goes away.
        """
        content = body.encode() if isinstance(body, str) else body
        queue = list(parts if parts is not None else [content])
        sent = []

        async def receive():
            while queue:
                part = queue.pop(0)
                if isinstance(part, bytes):
                    more = bool(queue)
                    return {"type": "http.request", "body": part, "more_body": more}
                await asyncio.sleep(part)
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers],
            "server": ("127.0.0.1", 80),
        }
        await self.application(scope, receive, send)
        start, *rest = sent
        found = {k.decode(): v.decode() for k, v in start["headers"]}
        return start["status"], found, b"".join(m.get("body", b"") for m in rest)


def ask(method, path, body=b"", headers=(), **options):
    async def run():
        client = options.pop("client", None) or Client()
        async with client:
            return await client.ask(method, path, body, headers, **options)

    status, found, content = asyncio.run(run())
    if found["content-type"] == "application/json":
        content = json.loads(content)
    return status, found, content


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            PREDICT,
            '{"instances": [[1.0, 2.0], [3.0, 4.0]]}',
            {"predictions": [[2.5, 3.0], [3.5, 4.0]]},
        ),
        (
            "/v1/models/half_plus_two/versions/123:predict",
            '{"instances": [1.0, 2.0]}',
            {"predictions": [2.5, 3.0]},
        ),
        (
            "/v1/models/half%5Fplus_two:PREDICT",
            '{"signature_name": "serving_default", "inputs": [3.0, 4.0]}',
            {"outputs": [3.5, 4.0]},
        ),
    ],
)
def test_predictions(path, body, expected):
    """The cases of TF Serving's `http_rest_api_handler_test.cc`."""
    status, headers, answer = ask("POST", path, body)
    assert (status, answer) == (200, expected)
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/v1/foo", "", 404, "Malformed request: GET /v1/foo"),
        ("POST", "/v1/foo", "", 404, "Malformed request"),
        ("GET", "/v1/models", "", 400, "Missing model name in request."),
        ("GET", "/v1/models/debug/model_name", "", 404, "Malformed request"),
        ("POST", "/v1/models", "", 400, "Malformed request"),
        ("GET", "/v1/models/foo:predict", "", 400, "Malformed request"),
        ("PUT", PREDICT, "", 400, "Malformed request: PUT"),
        ("POST", "/v1/models/foo/version/50:regress", "", 404, "Malformed request"),
        ("POST", "/v1/models/foo/versions/HELLO:regress", "", 404, "Malformed request"),
        ("POST", f"/v1/models/foo/versions/{2**64}:predict", "", 400, "Failed to"),
        ("POST", "/v1/models/foo/metadata", "", 400, "Malformed request"),
        ("POST", "/v1/models/foo:predict", "", 404, "request: Latest(foo)"),
        ("POST", "/v1/models/foo/versions/50:predict", "", 404, "Specific(foo, 50)"),
        (
            *("POST", "/v1/models/half_plus_two/versions/99:predict", "", 404),
            "Servable not found for request: Specific(half_plus_two, 99)",
        ),
        (
            *("POST", "/v1/models/half_plus_two/labels/best:predict", "", 400),
            "Unrecognized servable version label: best",
        ),
        ("GET", "/v1/models/foo", "", 404, "Could not find any versions of model foo"),
        (
            *("GET", "/v1/models/half_plus_two/versions/9", "", 404),
            "Could not find version 9 of model half_plus_two",
        ),
        ("GET", "/v1/models/foo/metadata", "", 404, "Latest(foo)"),
        ("POST", PREDICT, "", 400, "JSON Parse error: The document is empty"),
        ("POST", PREDICT, "instances = [1, 2]", 400, "JSON Parse error: Invalid value"),
        ("POST", PREDICT, '{"instances": ["x"]}', 400, "not of expected type: float"),
        ("POST", PREDICT, '{"signature_name": 100}', 400, "must be a string value."),
        (
            *("POST", PREDICT, '{"signature_name": "x", "instances": [1]}', 400),
            'Serving signature name: "x" not found in signature def',
        ),
        (
            *("POST", PREDICT, '{"signature_name": "init", "instances": [1]}', 400),
            "Failed to get input map for signature: init",
        ),
        (
            *("POST", PREDICT, '{"signature_name": "broken", "instances": [1]}', 500),
            "The model failed: 'gone'",
        ),
        ("POST", PREDICT.replace("predict", "classify"), "{}", 400, "Use :predict."),
        ("POST", PREDICT, '{"instances": [1, 2, 3, 4, 5]}', 400, "may have 4 rows"),
        ("GET", "/nowhere", "", 404, "Not Found"),
        ("POST", "/", "", 405, "Method Not Allowed"),
    ],
)
def test_errors(method, path, body, status, message):
    found, headers, answer = ask(method, path, body)
    assert found == status
    assert headers["content-type"] == "application/json"
    assert list(answer) == ["error"] and message in answer["error"]


def test_status_and_metadata():
    for path in ("", "/versions/123"):
        status, _, answer = ask("GET", f"/v1/models/half_plus_two{path}")
        assert status == 200
        assert answer == {
            "model_version_status": [
                {
                    "version": "123",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }
    _, _, answer = ask("GET", "/v1/models/half_plus_two/metadata")
    assert answer == {
        "model_spec": {
            "name": "half_plus_two",
            "signature_name": "",
            "version": "123",
        },
        "metadata": {"signature_def": {"signature_def": {"serving_default": {}}}},
    }
    _, _, answer = ask("GET", "/model.json")
    assert answer == {
        "name": "half_plus_two",
        "version": "123",
        "task": {"name": "adding"},
    }


def test_before_there_is_a_model():
    client = Client()
    client.host.model, client.host.version, client.host.loading = None, 0, 7
    assert ask("GET", "/healthz", client=client)[0] == 200
    assert ask("GET", "/readyz", client=client)[0] == 503
    status, headers, answer = ask("POST", PREDICT, "{}", client=client)
    assert (status, headers["retry-after"]) == (503, "1")
    assert answer["error"] == "half_plus_two is being loaded."
    _, _, answer = ask("GET", "/v1/models/half_plus_two", client=client)
    assert [v["state"] for v in answer["model_version_status"]] == ["LOADING"]
    assert ask("GET", "/readyz")[0] == 200


def test_a_version_that_comes_while_a_body_does_is_not_asked():
    class Other(HalfPlusTwo):
        def run(self, signature, inputs):
            return {"y": inputs["x"]}

    async def run():
        client = Client()

        async def change():
            await asyncio.sleep(0.02)
            client.host.model, client.host.version = Other(), 124

        path = "/v1/models/half_plus_two/versions/123:predict"
        parts = [b'{"instances"', 0.1, b": [1]}"]
        async with client:
            asked = client.ask("POST", path, parts=parts)
            (status, _, content), _ = await asyncio.gather(asked, change())
        return status, json.loads(content)

    assert asyncio.run(run()) == (200, {"predictions": [2.5]})


def test_a_version_may_be_number_0():
    client = Client()
    client.host.model, client.host.version, client.host.loading = None, 0, 0
    _, _, answer = ask("GET", "/v1/models/half_plus_two", client=client)
    assert [v["state"] for v in answer["model_version_status"]] == ["LOADING"]


def test_the_size_of_a_body_is_limited():
    long = b'{"instances": [' + b"1," * 600 + b"1]}"
    for headers, parts in (
        ([("Content-Length", str(len(long)))], [long]),
        ([], [long[:600], long[600:]]),
    ):
        status, found, answer = ask("POST", PREDICT, headers=headers, parts=parts)
        assert (status, found["connection"]) == (413, "close")
        assert answer["error"] == "A body may have 1000 bytes."
    status, _, _ = ask("POST", PREDICT, headers=[("Content-Encoding", "gzip")])
    assert status == 415
    for given, status in (("x", 400), ("-1", 200)):
        found, _, _ = ask(
            "POST", PREDICT, '{"instances": [1]}', [("Content-Length", given)]
        )
        assert found == status


def test_a_body_in_pieces_is_one_and_must_arrive_in_time():
    parts = [b'{"instances"', 0.01, b": [1]}"]
    assert ask("POST", PREDICT, parts=parts)[2] == {"predictions": [2.5]}
    client = Client(seconds=0.05)
    status, headers, answer = ask(
        "POST", PREDICT, parts=[b'{"inst', 60, b"ances"], client=client
    )
    assert (status, headers["connection"]) == (408, "close")
    assert answer["error"] == "The body took too long to arrive."


def test_an_answer_that_takes_too_long_is_none():
    client = Client(seconds=0.05)
    client.model.open.clear()
    status, _, answer = ask("POST", PREDICT, '{"instances": [1]}', client=client)
    client.model.open.set()
    assert (status, answer) == (504, {"error": "No answer within 0.05 seconds."})


def test_nobody_waits_for_a_client_that_has_gone():
    async def run():
        async with Client() as client:
            client.model.open.clear()
            body = b'{"instances": [1]}'
            running = asyncio.create_task(client.ask("POST", PREDICT, body))
            await asyncio.sleep(0.05)
            gone = asyncio.Event()
            left = asyncio.create_task(client.ask("POST", PREDICT, body, gone=gone))
            await asyncio.sleep(0.05)
            assert client.batcher.num_waiting == 1
            gone.set()
            status, _, _ = await left
            assert (status, client.batcher.num_waiting) == (499, 0)
            client.model.open.set()
            assert (await running)[0] == 200

    asyncio.run(run())


def test_more_requests_than_may_wait_are_told_to_come_back():
    async def run():
        async with Client(max_queue=1) as client:
            client.model.open.clear()
            body = b'{"instances": [1]}'
            tasks = []
            for _ in range(3):
                tasks.append(asyncio.create_task(client.ask("POST", PREDICT, body)))
                await asyncio.sleep(0.05)
            status, headers, content = await tasks.pop()
            assert (status, headers["retry-after"]) == (503, "1")
            assert b"The queue is full" in content
            client.model.open.set()
            assert [(await task)[0] for task in tasks] == [200, 200]

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", [PREDICT, "/v1/models/half_plus_two", "/model.json", metrics.PATH, "/v1/x"]
)
def test_a_token_is_asked_for(path):
    method = "POST" if path == PREDICT else "GET"
    for given in (
        None,
        "Bearer",
        "Bearer wrong",
        "Bearer é\x00",
        TOKEN.decode(),
        f"Bearer {TOKEN.decode()}x",
        "Basic " + base64.b64encode(TOKEN).decode(),
    ):
        headers = [] if given is None else [("Authorization", given)]
        client = Client(token=TOKEN)
        status, found, answer = ask(method, path, "", headers, client=client)
        assert (status, found["www-authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer TOKEN" in answer["error"]
    headers = [("Authorization", f"bearer {TOKEN.decode()}")]
    status, _, _ = ask(
        method, path, '{"instances": [1]}', headers, client=Client(token=TOKEN)
    )
    assert status == (404 if path == "/v1/x" else 200)


def test_what_is_open_without_a_token():
    for path in ("/healthz", "/readyz", "/", "/page.js", "/page.css"):
        assert ask("GET", path, client=Client(token=TOKEN))[0] == 200


def test_the_page_asks_nobody_else():
    _, headers, content = ask("GET", "/")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.findall(rb"(?:src|href)=\"?(?:https?:)?//", content)


def test_metrics_count_by_method_and_status():
    async def run():
        async with Client() as client:
            await client.ask("POST", PREDICT, '{"instances": [1]}')
            await client.ask("POST", PREDICT, "{")
            await client.ask("GET", "/v1/models/" + "x" * 50)
            return (await client.ask("GET", metrics.PATH))[2].decode()

    page = asyncio.run(run())
    for line in (
        'bert_tf_requests_total{method="predict",status="200"} 1.0',
        'bert_tf_requests_total{method="predict",status="400"} 1.0',
        'bert_tf_requests_total{method="other",status="404"} 1.0',
        "bert_tf_waiting_requests 0.0",
        "bert_tf_model_version 123.0",
    ):
        assert line in page
    assert "process_resident_memory_bytes" in page and "xxx" not in page


def test_a_large_answer_is_written_whole():
    model = HalfPlusTwo()
    spec = model.signatures["serving_default"]
    model.run = lambda signature, inputs: {"y": np.ones([2, 30_000], np.float32)}
    assert spec.name == "serving_default"
    client = Client(model=model)
    _, _, answer = ask("POST", PREDICT, '{"instances": [1, 2]}', client=client)
    assert np.shape(answer["predictions"]) == (2, 30_000)
