"""What comes between a request and its answer: its body, other threads, patience."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from export.server.errors import RequestError, invalid

T = TypeVar("T")

_CLOSE = {"Connection": "close"}
# From here on, what blocks the event loop is worth a thread.
_LARGE = 1 << 14


async def read_body(request: Request, limit: int, deadline: float) -> bytes:
    """Returns a request's body.

    Args:
        request: whose.
        limit: its bytes at most.
        deadline: when it must have arrived, of the monotonic clock.

    Raises:
        RequestError: it is too large, too late, or encoded.
        ClientDisconnect: the client has gone.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RequestError(
            415, f"Bodies must not be encoded. Received: {encoding}", _CLOSE
        )
    too_large = RequestError(413, f"A body may have {limit} bytes.", _CLOSE)
    try:
        if int(request.headers.get("content-length", "0")) > limit:
            raise too_large
    except ValueError as error:
        raise invalid("Content-Length is no number") from error
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
    except TimeoutError as error:
        raise RequestError(408, "The body took too long to arrive.", _CLOSE) from error
    return b"".join(parts)


async def wait_for_answer(
    request: Request, answer: Awaitable[T], deadline: float, seconds: float
) -> T:
    """Waits for an answer as long as somebody else waits for it.

    Args:
        request: to be answered.
        answer: its answer to be.
        deadline: when to give up, of the monotonic clock.
        seconds: that the request had, for the message.

    Raises:
        RequestError: there is none in time.
        ClientDisconnect: the client has gone.
    """
    task = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait(
            {task, gone},
            timeout=max(deadline - time.monotonic(), 0),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if task.done():
            return task.result()
        if gone.done():
            raise ClientDisconnect
        raise RequestError(504, f"No answer within {seconds:g} seconds.")
    finally:
        for waited in (task, gone):
            waited.cancel()


async def apart(
    size: int, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Calls a function, in a thread if it has much to do."""
    if size < _LARGE:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
