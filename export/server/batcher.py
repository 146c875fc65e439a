"""Requests that wait at the same moment, answered in one call of the model."""

import asyncio
import collections
import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from absl import logging

from export.server import joining
from export.server.errors import RequestError
from export.server.signature import Signature, Tensors

Call = Callable[[Signature, Tensors], dict[str, np.ndarray]]
Answer = dict[str, np.ndarray] | Exception


@dataclasses.dataclass(eq=False)
class _Waiting:
    call: Call
    signature: Signature
    inputs: Tensors
    key: Hashable
    rows: int
    since: float
    answer: asyncio.Future[dict[str, np.ndarray]]


class Batcher:
    """Answers requests, joined where that changes no answer, in a thread.

    While the model works, requests gather; so under load batches grow by themselves.

    Args:
        max_batch_size: rows of a joined call at most; a request with more runs alone.
        max_delay: seconds that a request waits for company while the model has nothing
            else to do.
        max_queue: requests that may wait.
        observe: told of each call's rows, and the seconds it took.
    """

    def __init__(
        self,
        *,
        max_batch_size: int,
        max_delay: float,
        max_queue: int,
        observe: Callable[[int, float], None],
    ) -> None:
        self._max_batch_size = max_batch_size
        self._max_delay = max_delay
        self._max_queue = max_queue
        self._observe = observe
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._arrived = asyncio.Event()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "model")

    @property
    def num_waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    async def answer(
        self, call: Call, signature: Signature, inputs: Tensors
    ) -> dict[str, np.ndarray]:
        """Returns a request's outputs; cancelling it gives its place away.

        Args:
            call: runs the model; requests are joined with others of the same `call`.
            signature: that the request is for.
            inputs: of the request.

        Raises:
            RequestError: too many wait, or the model refuses the inputs.
        """
        if len(self._waiting) >= self._max_queue:
            raise RequestError(
                503,
                f"The queue is full: {len(self._waiting)} requests wait. Try again.",
                {"Retry-After": "1"},
            )
        key = joining.key(signature, inputs)
        rows = next(iter(inputs.values())).shape[0] if key is not None else 1
        future = asyncio.get_running_loop().create_future()
        waiting = _Waiting(
            call,
            signature,
            inputs,
            None if key is None else (call, key),
            rows,
            time.monotonic(),
            future,
        )
        self._waiting.append(waiting)
        self._arrived.set()
        try:
            return await future
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def work(self) -> None:
        """Answers requests until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            answers: Sequence[Answer]
            try:
                answers = await loop.run_in_executor(self._thread, self._run, batch)
            except Exception as error:
                logging.exception("A batch of %d requests failed", len(batch))
                answers = [RequestError(500, f"The model failed: {error}")] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():  # Cancelled.
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)

    async def _next_batch(self) -> list[_Waiting]:
        # Again where all that waited have given up meanwhile.
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            # What arrived in this turn of the loop is here after the next one.
            await asyncio.sleep(0)
            while self._waiting:
                batch = self._fitting()
                left = batch[0].since + self._max_delay - time.monotonic()
                full = sum(waiting.rows for waiting in batch) >= self._max_batch_size
                if batch[0].key is None or full or left <= 0:
                    for waiting in batch:
                        self._waiting.remove(waiting)
                    return batch
                self._arrived.clear()
                try:
                    await asyncio.wait_for(self._arrived.wait(), left)
                except TimeoutError:
                    pass

    def _fitting(self) -> list[_Waiting]:
        """Returns the request that has waited longest, with those that may join it."""
        first = self._waiting[0]
        batch, rows = [first], first.rows
        if first.key is not None:
            for waiting in list(self._waiting)[1:]:
                joins = waiting.key == first.key
                if joins and rows + waiting.rows <= self._max_batch_size:
                    batch.append(waiting)
                    rows += waiting.rows
        return batch

    def _run(self, batch: Sequence[_Waiting]) -> list[Answer]:
        """Returns an answer for each request, or why it has none."""
        if len(batch) > 1:
            first = batch[0]
            rows = [waiting.rows for waiting in batch]
            inputs = joining.join([waiting.inputs for waiting in batch])
            outputs = self._call(first, inputs, sum(rows))
            if not isinstance(outputs, Exception):
                answers = joining.split(first.signature, outputs, rows)
                if answers is not None:
                    return list(answers)
            # One of them may be at fault: the others must not suffer for it.
        return [self._call(w, w.inputs, w.rows) for w in batch]

    def _call(self, waiting: _Waiting, inputs: Tensors, rows: int) -> Answer:
        start = time.monotonic()
        try:
            return waiting.call(waiting.signature, inputs)
        except RequestError as error:
            return error
        except Exception as error:
            logging.exception("%s failed", waiting.signature.name)
            return RequestError(500, f"The model failed: {error}")
        finally:
            self._observe(rows, time.monotonic() - start)
