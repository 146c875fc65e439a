"""What a job printed last, on the terminal while it runs."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TextIO

# Of the log's end: longer than any line of a progress bar.
_TAIL_BYTES = 4096
_CLEAR = "\r\x1b[K"


class LastLine:
    """Shows the last line of a log, mostly a progress bar, in place of the one before.

    Args:
        log: what a job writes into.
        start: where in it the job began.
        terminal: where to show it, by default standard error; on anything but a
            terminal nothing is shown.
    """

    def __init__(self, log: Path, start: int, terminal: TextIO | None = None):
        self._log, self._start = log, start
        self._terminal = sys.stderr if terminal is None else terminal

    def show(self) -> None:
        """Shows it as it is now."""
        if not self._terminal.isatty():
            return
        with self._log.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            file.seek(max(self._start, end - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        lines = [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]
        if lines:
            width = shutil.get_terminal_size().columns - 1
            self._terminal.write(_CLEAR + lines[-1][:width])
            self._terminal.flush()

    def clear(self) -> None:
        """Takes it away."""
        if self._terminal.isatty():
            self._terminal.write(_CLEAR)
            self._terminal.flush()
