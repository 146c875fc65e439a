"""Waiting for a run's other processes, in a way that a signal can end.

TensorFlow waits for them inside one call that holds Python's lock and takes SIGTERM for
itself: neither SIGTERM nor Ctrl-C would end a process whose peers never come. So each
process first opens its port and waits, in Python, until all other ports are open.
"""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator

from absl import logging

from bert_tf.errors import InputError
from bert_tf.training.cluster import Cluster

_RETRY_SECONDS = 0.2
_CONNECT_SECONDS = 5.0
_SECONDS_BETWEEN_MESSAGES = 30.0


def wait_for_peers(cluster: Cluster) -> None:
    """Returns when every process of the cluster has opened its port.

    Raises:
        InputError: this process' port is taken.
    """
    missing = list(cluster.addresses)
    own = missing.pop(cluster.index)
    next_message = time.monotonic() + 1.0
    with _open_port(own, backlog=len(missing)):
        while missing:
            missing = [address for address in missing if not _is_open(address)]
            if missing and time.monotonic() >= next_message:
                logging.info(
                    "Waiting for %d of %d processes: %s",
                    len(missing),
                    len(cluster.addresses),
                    ", ".join(missing),
                )
                next_message += _SECONDS_BETWEEN_MESSAGES
            time.sleep(_RETRY_SECONDS if missing else 0)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and Ctrl-C end the process at once: nothing is there to be saved."""
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: set outside Python, and gone.
            signal.signal(number, handler or signal.SIG_DFL)


def _open_port(address: str, backlog: int) -> socket.socket:
    port = int(address.rpartition(":")[2])
    dual = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", port),
            family=socket.AF_INET6 if dual else socket.AF_INET,
            backlog=backlog,
            dualstack_ipv6=dual,
        )
    except OSError as error:
        raise InputError(
            f"{address}: this process' port in the cluster cannot be opened "
            f"({error.strerror}). End what uses it, or give another port."
        ) from error


def _is_open(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
            return True
    except OSError:  # Also a name that does not resolve yet.
        return False
