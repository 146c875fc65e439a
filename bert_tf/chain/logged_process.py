"""A job in a process of its own, which ends with ours, and what it prints in a log."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bert_tf.chain.last_line import LastLine
from bert_tf.cli.passed_signals import pass_signals_on

_PR_SET_PDEATHSIG = 1  # prctl(2)
_ERROR_BYTES = 20_000
_SECONDS_A_LOOK = 1.0


def run_logged(arguments: Sequence[str], command: str, log: Path) -> str:
    """Runs a job, and shows on a terminal how far it is.

    Args:
        arguments: Python's.
        command: the same, for the log.
        log: what the job prints is added to it.

    Returns:
        Why it failed, in one line; empty if it did not.

    Raises:
        SystemExit: SIGTERM came, and the job has ended.
        KeyboardInterrupt: so did Ctrl-C.
    """
    with log.open("ab") as file:
        file.write(f"$ {command}\n".encode())
        file.flush()
        start = file.tell()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Of a terminal's Ctrl-C it gets the one signal that is passed on.
            process_group=0,
            preexec_fn=_end_with_parent,
        )
        with pass_signals_on([process]) as received:
            code = _wait(process, LastLine(log, start))
    if signal.SIGINT in received:
        raise KeyboardInterrupt
    if received:
        sys.exit(code if code > 0 else 128 + received[0])
    return _reason(log, start, code) if code else ""


def _wait(process: subprocess.Popen[bytes], last_line: LastLine) -> int:
    """Returns a job's exit code; shows meanwhile how far it is."""
    while True:
        try:
            code = process.wait(timeout=_SECONDS_A_LOOK)
        except subprocess.TimeoutExpired:
            last_line.show()
        else:
            last_line.clear()
            return code


def _end_with_parent() -> None:
    """Has the system kill this process when the chain's ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _reason(log: Path, start: int, code: int) -> str:
    """Returns why a job failed, in one line, and where its log is."""
    where = f"Its log: {log}"
    with log.open("rb") as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - _ERROR_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if re.match(r"[\w.]+: error: ", line)]
    if errors:
        return f"{errors[-1]} {where}"
    if code < 0:
        name = signal.Signals(-code).name
        return f"it was ended by {name}, as where memory runs out. {where}"
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return f"exit code {code}: {last.strip()} {where}"
