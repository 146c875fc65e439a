"""Worker processes that end with their parent, however it ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from bert_tf.cli.quiet_tensorflow import quiet_tensorflow

T = TypeVar("T")
U = TypeVar("U")


def map_in_processes(
    function: Callable[[T], U], tasks: Iterable[T], num_workers: int
) -> Iterator[U]:
    """Applies a function to tasks in worker processes.

    Args:
        function: of one task; importable, as are the tasks picklable.
        tasks: its arguments.
        num_workers: how many processes.

    Yields:
        The results as they come, in any order.

    Raises:
        OSError: a worker was killed.
        Exception: what the function raised first; tasks not begun are dropped.
    """
    # Spawned, not forked: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_start_worker
    )
    try:
        # Ctrl-C reaches the whole group; the parent decides what happens, and workers
        # start with it blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            futures = [pool.submit(function, task) for task in tasks]
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise OSError(
            "A worker process was killed; the system may be out of memory. Run the "
            "same command again to go on, with a smaller --num_workers if it repeats."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    quiet_tensorflow()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)  # A killed parent cannot stop us, and nobody reads our results.

    threading.Thread(target=wait, daemon=True).start()
