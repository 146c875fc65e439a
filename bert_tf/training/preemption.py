"""SIGTERM, the signal by which clusters take a machine back."""

import signal
from types import FrameType
from typing import Self

PREEMPTED = 75
"""Exit code after SIGTERM: the state is saved, and the same command goes on."""


class Preemption:
    """Notes SIGTERM instead of dying of it.

    Attributes:
        requested: whether it has come.
    """

    requested = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGTERM)
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signal over, also from TensorFlow, whose cluster takes it first."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, self._before)
