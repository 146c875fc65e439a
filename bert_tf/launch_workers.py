r"""Runs a job as several worker processes of one cluster on this machine.

    python -m bert_tf.launch_workers --num_workers=2 -m bert_tf.run_pretraining \
        --config=configs/demo.py --config.strategy=multi_worker --workdir=runs/demo ...

For tests and for trying things out: on one machine, threads or the devices of
--config.strategy=mirrored are faster than processes. When one worker fails, the others
get a minute to notice before they are stopped; the exit code is the first failure's.
SIGTERM and Ctrl-C are passed on.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from bert_tf.cli.passed_signals import pass_signals_on

_GRACE_SECONDS = 60.0


def launch(
    command: Sequence[str], num_workers: int, grace_seconds: float = _GRACE_SECONDS
) -> int:
    """Runs `command` once a worker and waits for all of them.

    Args:
        command: the command of every worker; `TF_CONFIG` tells them apart.
        num_workers: how many.
        grace_seconds: how long the others may go on after one has failed.

    Returns:
        0, or the exit code of the worker that failed first; minus the signal's number
        if one killed it.
    """
    addresses = [f"localhost:{port}" for port in free_ports(num_workers)]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        with pass_signals_on(workers) as received:
            for index in range(num_workers):
                if received:
                    return -received[0]
                config = {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                }
                environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
                # A group of its own: from a terminal's Ctrl-C, too, a worker gets the
                # one signal that is passed on.
                worker = subprocess.Popen(command, env=environment, process_group=0)
                workers.append(worker)
            return _wait(workers, grace_seconds)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def free_ports(count: int) -> list[int]:
    """Returns ports that nothing listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait(workers: Sequence[subprocess.Popen[bytes]], grace_seconds: float) -> int:
    first_failure, deadline = 0, float("inf")
    while True:
        codes = [worker.poll() for worker in workers]
        if not first_failure and (failed := [code for code in codes if code]):
            first_failure = failed[0]
            deadline = time.monotonic() + grace_seconds
        if None not in codes or time.monotonic() > deadline:
            return first_failure
        time.sleep(0.1)


def cli() -> None:
    """Starts the launcher from a command line."""
    parser = argparse.ArgumentParser(
        prog="bert_tf.launch_workers",
        usage=argparse.SUPPRESS,  # The example shows it, and errors take one line.
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--num_workers", type=int, default=2, help="processes to start")
    parser.add_argument(
        "-m",
        dest="job",
        nargs=argparse.REMAINDER,
        required=True,
        help="the job, with all its flags",
    )
    arguments = parser.parse_args()
    if not arguments.job or arguments.num_workers < 1:
        parser.error("-m must name a job, and --num_workers must be at least 1")
    command = [sys.executable, "-m", *arguments.job]
    try:
        code = launch(command, arguments.num_workers)
    except KeyboardInterrupt:  # Before the workers, which say so themselves.
        code = -signal.SIGINT
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    cli()
