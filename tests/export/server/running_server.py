"""`bert-tf-serve` in a process of its own, and somebody who talks to it."""

import http.client
import json
import re
import socket
import time

TEXTS = [
    "the [MASK] of the union",
    "we [MASK] work for [MASK] .",
    "",
    "peace",
    "strong " * 40,
    "\U0001f600 é [MASK]",
]


class RunningServer:
    """Waits until a job serves.

    Args:
        job: see `WarmProcesses.start`.
        seconds: how long that may take.
    """

    def __init__(self, job, seconds=120):
        self.job = job
        deadline = time.monotonic() + seconds
        while not (found := re.search(r"at http://[^:]*:(\d+)/", job.output()[0])):
            assert job.poll() is None, job.output()
            assert time.monotonic() < deadline, job.output()
            time.sleep(0.02)
        self.port = int(found[1])

    def ask(self, method, path, body=None, headers=None):
        """Returns status, headers and the JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return response.status, dict(response.headers), json.loads(content)

    def predict(self, value, name="bert", **others):
        """Returns the status and the JSON of an answer to rows."""
        body = json.dumps({"instances": value, **others}).encode()
        status, _, answer = self.ask("POST", f"/v1/models/{name}:predict", body)
        return status, answer

    def connect(self):
        """Returns a connection on which nothing has been said."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self, number):
        """Ends it, and returns its exit code."""
        self.job.send_signal(number)
        return self.job.wait(60)


def request_bytes(value, name="bert"):
    """Returns a request as it goes over the wire."""
    body = json.dumps({"instances": value}).encode()
    head = f"POST /v1/models/{name}:predict HTTP/1.1\r\nHost: here\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def until_closed(connection):
    """Returns what comes before the other side closes."""
    received = b""
    while True:
        try:
            part = connection.recv(1 << 16)
        except ConnectionError:
            return received
        if not part:
            return received
        received += part
