"""A process that knows nothing of ours and answers for an exported artifact."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class EndedError(Exception):
    """The process ended in place of an answer; its exit status."""


class ArtifactProcess:
    """Runs a script of this folder, which reads and writes pickles.

    Args:
        script: its name.
        *arguments: on its command line.
    """

    def __init__(self, script: str, *arguments: str):
        # Held back: TensorFlow's greeting is of use only where something fails.
        self._stderr = tempfile.TemporaryFile()
        # `-P` keeps our package from the child's path, so that the artifact can only
        # find what it is meant to; the script is given as a file for the same reason.
        path = Path(__file__).with_name(script)
        self._process = subprocess.Popen(
            [sys.executable, "-P", path, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    def ask(self, request: Any) -> Any:
        """Returns the script's answer.

        Raises:
            EndedError: there is none; what the process had to say is on stderr.
        """
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError):
            status = self._process.wait()
            self._stderr.seek(0)
            sys.stderr.write(self._stderr.read().decode(errors="replace"))
            raise EndedError(status) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()
