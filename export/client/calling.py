"""Many requests at a time, and what they took."""

import concurrent.futures
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from export.client.protocols import Client, RequestFailed
from export.client.rows import Row


def ask(
    client: Client, rows: Sequence[Row], *, batch_size: int, concurrency: int
) -> Iterator[dict[str, Any]]:
    """Yields the answer to each row, in order.

    Args:
        client: whom to ask.
        rows: what to ask.
        batch_size: rows of a request.
        concurrency: requests at a time.

    Yields:
        Outputs by name; where a request failed, `error` for each of its rows.
    """

    def one(batch: Sequence[Row]) -> list[dict[str, Any]]:
        try:
            return client.predict(batch)
        except RequestFailed as error:
            return [{"error": str(error)}] * len(batch)

    waiting: deque[concurrent.futures.Future[list[dict[str, Any]]]] = deque()
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        for batch in _batches(rows, batch_size):
            if len(waiting) == 2 * concurrency:
                yield from waiting.popleft().result()
            waiting.append(pool.submit(one, batch))
        while waiting:
            yield from waiting.popleft().result()


@dataclasses.dataclass
class Measured:
    """What a load test saw.

    Attributes:
        seconds: how long it ran.
        batch_size: rows of a request at most.
        concurrency: requests at a time.
        num_rows: rows that were answered.
        calls: of each request that was answered, seconds since the start at which it
            ended, and seconds it took.
        errors: reason -> requests that failed.
    """

    seconds: float
    batch_size: int
    concurrency: int
    num_rows: int
    calls: list[tuple[float, float]]
    errors: dict[str, int]


def measure(
    client: Client,
    rows: Sequence[Row],
    *,
    batch_size: int,
    concurrency: int,
    seconds: float,
) -> Measured:
    """Asks again and again, as many requests at a time as is said.

    A request of each thread goes ahead uncounted, which opens its connection.

    Args:
        client: whom to ask.
        rows: what to ask, over and over.
        batch_size: rows of a request.
        concurrency: threads, each with one request at a time.
        seconds: how long.
    """
    batches = list(_batches(rows, batch_size))
    lock = threading.Lock()
    result = Measured(seconds, batch_size, concurrency, 0, [], {})
    start = 0.0

    def begin() -> None:
        nonlocal start
        start = time.perf_counter()

    ready = threading.Barrier(concurrency, action=begin)

    def run(first: int) -> None:
        number = first
        try:
            _try(client, batches[number % len(batches)])
            ready.wait()
        except BaseException:
            ready.abort()  # The others would wait for ever.
            raise
        calls: list[tuple[float, float]] = []
        errors: dict[str, int] = {}
        num_rows = 0
        while (begun := time.perf_counter()) < start + seconds:
            number += concurrency
            batch = batches[number % len(batches)]
            failure = _try(client, batch)
            ended = time.perf_counter()
            if failure is None:
                num_rows += len(batch)
                calls.append((ended - start, ended - begun))
            else:
                errors[failure] = errors.get(failure, 0) + 1
        with lock:
            result.num_rows += num_rows
            result.calls += calls
            for reason, count in errors.items():
                result.errors[reason] = result.errors.get(reason, 0) + count

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        for thread in [pool.submit(run, i) for i in range(concurrency)]:
            thread.result()
    result.seconds = time.perf_counter() - start
    result.calls.sort()
    return result


def _try(client: Client, batch: Sequence[Row]) -> str | None:
    try:
        client.predict(batch)
    except RequestFailed as error:
        return str(error)
    return None


def _batches(rows: Sequence[Row], size: int) -> Iterable[Sequence[Row]]:
    """Yields rows in batches; a batch's rows have the same inputs."""
    start = 0
    while start < len(rows):
        end = start + 1
        while (
            end < min(start + size, len(rows))
            and rows[end].keys() == rows[start].keys()
        ):
            end += 1
        yield rows[start:end]
        start = end
