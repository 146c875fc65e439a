"""The server as a whole: socket, application, signals."""

import asyncio
import contextlib
import dataclasses
import logging as python_logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from bert_tf.errors import InputError
from export.server.batcher import Batcher
from export.server.connection import WatchedProtocol
from export.server.metrics import Metrics
from export.server.model_dir import ModelDir
from export.server.model_host import ModelHost
from export.server.rest import Limits, Server

# More at once would be more open files than many systems allow.
_MAX_CONNECTIONS = 512


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """How a model is served.

    Attributes:
        host: address to listen on.
        port: 0 for any that is free.
        max_batch_size: rows that the model gets in a joined call.
        batch_delay_ms: how long a request waits for company.
        max_queue: requests that may wait.
        limits: of requests.
        token: that requests must bear, if any.
        poll_seconds: how often to look for new versions; 0 for never.
    """

    host: str
    port: int
    max_batch_size: int
    batch_delay_ms: float
    max_queue: int
    limits: Limits
    token: bytes | None
    poll_seconds: float


class _Uvicorn(uvicorn.Server):
    """Ends well when it is told to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM for the wish to end, not for a failure."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(directory: ModelDir, config: ServerConfig) -> None:
    """Serves a model until SIGINT or SIGTERM; requests begun are answered.

    Args:
        directory: of the model.
        config: how it is served.

    Raises:
        InputError: the model does not load, or the address cannot be listened on.
    """
    listening = _listen(config.host, config.port)
    host = ModelHost(directory)
    failure: list[Exception] = []

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[None]:
        async def load_and_watch() -> None:
            try:
                await host.load_newest()
            except Exception as error:
                failure.append(error)
                server.should_exit = True
                return
            address = _address(config.host, listening.getsockname()[1])
            print(
                f"Serving {host.name}, version {host.version}, at {address} "
                "(Ctrl-C ends it).",
                flush=True,
            )
            if config.poll_seconds:
                await host.watch(config.poll_seconds)

        tasks = [asyncio.create_task(load_and_watch())]
        tasks.append(asyncio.create_task(batcher.work()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def main() -> None:
        await server.serve(sockets=[listening])

    batcher = Batcher(
        max_batch_size=config.max_batch_size,
        max_delay=config.batch_delay_ms / 1000,
        max_queue=config.max_queue,
        observe=lambda rows, seconds: counters.observe_batch(rows, seconds),
    )
    counters = Metrics(lambda: batcher.num_waiting)
    application = Server(host, batcher, counters, config.limits, config.token)
    # What it says of connections is for nobody who runs this server.
    python_logging.getLogger("uvicorn.error").setLevel(python_logging.CRITICAL)
    server = _Uvicorn(
        uvicorn.Config(
            application.application(run),
            http=_protocol(config.limits.seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=int(config.limits.seconds) + 5,
        )
    )
    asyncio.run(main())
    if failure:
        raise failure[0]


def _protocol(seconds: float) -> type[WatchedProtocol]:
    class Protocol(WatchedProtocol):
        limit_seconds = min(WatchedProtocol.limit_seconds, seconds)

    return Protocol


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_MAX_CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Cannot listen on {_address(host, port)}: {error}. Give another --port or "
            "--host."
        ) from error
    return listening


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
