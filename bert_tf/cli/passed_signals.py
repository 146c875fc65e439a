"""Signals that a job passes on to the processes it started."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from types import FrameType


@contextlib.contextmanager
def pass_signals_on(
    processes: Sequence[subprocess.Popen[bytes]],
) -> Iterator[list[int]]:
    """Passes SIGTERM, SIGINT and SIGHUP on while the block runs.

    What the caller was told to ignore stays ignored.

    Args:
        processes: those that there are when a signal comes.

    Yields:
        The signals that came so far.
    """
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in processes:
            process.send_signal(number)

    before = {
        number: signal.signal(number, pass_on)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
