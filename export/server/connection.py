"""Connections that nobody can hold open by being slow.

uvicorn ends connections on which nothing follows an answer. It waits forever for the
rest of a request's headers, though, and for a reader who takes nothing.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class WatchedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on every wait that is not the application's.

    A request's headers must be there within the limit, which is `limit_seconds` of the
    class, and of an answer something must be taken within it. Bodies and answers
    themselves are the application's to wait for.
    """

    limit_seconds = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to watch."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._unsent = 0
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends to watch."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _watch(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        stuck = 0 < self._unsent <= unsent
        self._unsent = unsent
        cycle: Any = self.cycle
        idle = cycle is None or cycle.response_complete
        late = idle and self.loop.time() - self._idle_since >= self.limit_seconds
        if stuck or (late and not unsent):
            self.transport.abort()
        else:
            wait = self.limit_seconds / 2
            self._timer = self.loop.call_later(wait, self._watch)
