"""How long training took, and how fast it was."""

import time


class Clock:
    """Time spent training since the last line of metrics.

    Evaluating and saving don't count, nor does the first call, which compiles.
    """

    def __init__(self) -> None:
        self._calls = 0
        self._waited_before = 0.0
        self.resume()
        self._reset()

    def resume(self) -> None:
        """Leaves out the time since the last call."""
        self._last = time.perf_counter()

    def lap(self, examples: int, tokens: float, waited: float) -> float:
        """Adds the time since the last call, in which this much was done.

        Args:
            examples: sequences trained on.
            tokens: tokens in them.
            waited: seconds that the run has waited for input so far.

        Returns:
            The seconds added.
        """
        seconds = time.perf_counter() - self._last
        self.resume()
        self._calls += 1
        if self._calls > 1:
            self._seconds += seconds
            self._examples += examples
            self._tokens += tokens
            self._waited += waited - self._waited_before
        self._waited_before = waited
        return seconds

    def rates(self) -> dict[str, float]:
        """Returns the rates since the last line; empty when only compiling."""
        if not self._seconds:
            return {}
        rates = {
            "examples_per_second": self._examples / self._seconds,
            "tokens_per_second": self._tokens / self._seconds,
            "input_wait_share": self._waited / self._seconds,
        }
        self._reset()
        return rates

    def _reset(self) -> None:
        self._seconds = self._tokens = self._waited = 0.0
        self._examples = 0
