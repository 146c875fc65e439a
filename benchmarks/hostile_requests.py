"""Requests that nobody should send, and what a server must make of them: nothing.

Each is a good request, damaged: bytes changed, cut out, doubled and cut off, JSON
values replaced by others, headers that lie.
"""

import dataclasses
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0.5,
        1e400,
        2**31,
        2**64,
        10**400,
        "",
        "\x00",
        "\ud800",
        "é" * 99,
    ),
    *([], {}, [[]], [None], {"b64": "*"}, {"b64": "/w=="}, {"b64": 1}, [["a"], "a"]),
    *({"text": 1}, {"text": ["a"]}, {"": ""}, ["[MASK]" * 50], "\ufeff", [{}] * 3),
)
_RAW = ("NaN", "-Infinity", "1" * 5000, "[" * 5000, '"\\ud800"', "nul", "'a'", "01")
_PATHS = (
    *("", "/versions/1", "/versions/0", f"/versions/{2**64}", "/labels/a", "/%00"),
    *("/versions/-1", "/../..", "//", "/versions/1/versions/1", "/%ff", ":predict"),
)
_HEADERS = (
    *("Content-Length: -1", "Content-Length: 9999999", "Content-Length: 1"),
    *("Transfer-Encoding: chunked", "Content-Encoding: gzip", "Expect: 100-continue"),
    *("Upgrade: websocket\r\nConnection: upgrade", "Host: \x7f", "Range: bytes=1-"),
    *("Authorization: Bearer \xff", "X: " + "y" * 70_000, "Connection: close"),
)


@dataclasses.dataclass(frozen=True)
class Target:
    """What the requests are aimed at.

    Attributes:
        port: of a server on this machine.
        name: of its model.
        signatures: name -> one good row of its inputs.
    """

    port: int
    name: str
    signatures: dict[str, dict[str, object]]


def requests(target: Target, count: int, seed: int) -> Iterator[bytes]:
    """Yields damaged requests, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        kind = rng.choice((_values, _values, _raw, _path, _header, _bytes, _bytes))
        yield kind(target, rng)


def survives(target: Target, request: bytes, seconds: float) -> bytes:
    """Sends a request and returns the first line of what comes back, if anything.

    Args:
        target: whom to send it to.
        request: what is sent.
        seconds: how long an answer is waited for; a request that promises more than it
            holds gets none.

    Raises:
        ConnectionRefusedError: nobody listens any more.
    """
    address = ("127.0.0.1", target.port)
    with socket.create_connection(address, timeout=seconds) as connection:
        try:
            connection.sendall(request)
            return connection.recv(1 << 16).split(b"\r\n")[0]
        except (TimeoutError, ConnectionError):
            return b""


def _good(target: Target, rng: random.Random) -> dict[str, object]:
    name = rng.choice(list(target.signatures))
    row = target.signatures[name]
    rows = [dict(row) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        return {"signature_name": name, "instances": rows}
    columns = {key: [value] * len(rows) for key, value in row.items()}
    return {"signature_name": name, "inputs": columns}


def _http(
    target: Target,
    body: bytes,
    path: str = ":predict",
    headers: str = "",
    method: str = "POST",
) -> bytes:
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        headers += f"Content-Length: {len(body)}\r\n"
    head = f"{method} /v1/models/{target.name}{path} HTTP/1.1\r\nHost: here\r\n"
    return f"{head}{headers}\r\n".encode("latin-1", "replace") + body


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def _values(target: Target, rng: random.Random) -> bytes:
    """Puts a wrong value somewhere into the JSON."""
    request = _good(target, rng)
    node: Any = request
    while True:
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        node = inner
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(_VALUES)
    return _http(target, _dumped(request))


def _raw(target: Target, rng: random.Random) -> bytes:
    """Puts what is no JSON, or odd JSON, in place of a word of it."""
    body = _dumped(_good(target, rng)).decode()
    place = rng.randrange(len(body))
    end = place + rng.randrange(8)
    return _http(target, (body[:place] + rng.choice(_RAW) + body[end:]).encode())


def _path(target: Target, rng: random.Random) -> bytes:
    method = rng.choice(("GET", "POST", "PUT", "OPTIONS", "HEAD", "TRACE", "A" * 300))
    path = rng.choice(_PATHS) + rng.choice(("", ":predict", ":classify", "/metadata"))
    return _http(target, _dumped(_good(target, rng)), path, method=method)


def _header(target: Target, rng: random.Random) -> bytes:
    header = f"{rng.choice(_HEADERS)}\r\n"
    return _http(target, _dumped(_good(target, rng)), headers=header)


def _bytes(target: Target, rng: random.Random) -> bytes:
    """Damages a request as a whole."""
    request = bytearray(_http(target, _dumped(_good(target, rng))))
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(request))
        end = min(len(request), start + rng.randint(1, 20))
        change = rng.randrange(5)
        if change == 0:
            request[start] = rng.randrange(256)
        elif change == 1:
            del request[start + 1 : end + 1]
        elif change == 2:
            request[start:start] = request[start:end]
        elif change == 3:
            request[start:start] = rng.randbytes(rng.randint(1, 20))
        else:
            del request[start + 1 :]  # One byte is left at least.
    return bytes(request)
