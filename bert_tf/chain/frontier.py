"""Which of several exported files is worth shipping."""

import dataclasses
import math
from collections.abc import Sequence

SMALL_LOSS = 0.01
"""What the smallest good file may lose, where nothing limits the choice."""


@dataclasses.dataclass(frozen=True)
class Point:
    """An exported file and what was measured of it.

    Attributes:
        stage: the stage whose model it holds.
        form: `tflite` or `saved_model`.
        quantization: of its weights.
        path: where it is.
        mb: its size, in millions of bytes.
        latency_ms: milliseconds of an example.
        quality: the task's main metric on held-out examples; higher is better, NaN for
            a model that computes none.
    """

    stage: str
    form: str
    quantization: str
    path: str
    mb: float
    latency_ms: float
    quality: float

    @property
    def name(self) -> str:
        """What it is called in tables and drawings."""
        weights = "float32" if self.quantization == "none" else self.quantization
        return f"{self.stage} {weights}"

    def fits(self, max_mb: float | None, max_latency_ms: float | None) -> bool:
        """Returns whether it is small and fast enough; None for any."""
        return (max_mb is None or self.mb <= max_mb) and (
            max_latency_ms is None or self.latency_ms <= max_latency_ms
        )


def dominates(one: Point, other: Point) -> bool:
    """Returns whether a point is nowhere worse than another, and somewhere better."""
    if math.isnan(one.quality):
        return False
    if math.isnan(other.quality):
        return True
    ours = (one.mb, one.latency_ms, -one.quality)
    theirs = (other.mb, other.latency_ms, -other.quality)
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def frontier(points: Sequence[Point]) -> list[bool]:
    """Returns for each point whether no other one dominates it."""
    return [not any(dominates(each, point) for each in points) for point in points]


def choose(
    points: Sequence[Point], max_mb: float | None, max_latency_ms: float | None
) -> Point | None:
    """Returns the point to ship: the best of those that fit; None where none does.

    Of equally good ones the smallest is taken, then the fastest.
    """
    fitting = [
        point
        for point in points
        if point.fits(max_mb, max_latency_ms) and not math.isnan(point.quality)
    ]
    return min(fitting, key=_order, default=None)


def advice(
    points: Sequence[Point],
    metric: str,
    max_mb: float | None = None,
    max_latency_ms: float | None = None,
) -> str:
    """Returns a line that says which point to ship.

    Args:
        points: of one form; the first is what losses are counted from.
        metric: the name of their quality.
        max_mb: the largest file that will do; None for any.
        max_latency_ms: the longest time; None for any.
    """
    first = points[0]
    limits = [
        f"--{name}={value:g}"
        for name, value in (("max_mb", max_mb), ("max_latency_ms", max_latency_ms))
        if value is not None
    ]
    chosen = choose(points, max_mb, max_latency_ms)
    if chosen is None and all(math.isnan(point.quality) for point in points):
        return f"None can be shipped: no file's {metric} is a number."
    if chosen is None:
        smallest = min(points, key=lambda point: (point.mb, point.latency_ms))
        fastest = min(points, key=lambda point: (point.latency_ms, point.mb))
        line = f"None fits {' and '.join(limits)}: the smallest is {_says(smallest)}"
        if fastest is not smallest:
            line += f"; the fastest is {_says(fastest)}"
        return f"{line}."
    described = f"{_says(chosen)}, {metric} {chosen.quality:.4f}"
    if limits:
        return (
            f"Ship {described} ({_loss(first, chosen)}): the best within "
            f"{' and '.join(limits)}. It is {chosen.path}"
        )
    good = [p for p in points if p.quality >= chosen.quality - SMALL_LOSS]
    small = min(good, key=lambda point: (point.mb, point.latency_ms))
    line = f"The best is {described}. It is {chosen.path}"
    within = f"within {100 * SMALL_LOSS:g} point of it"
    if small is chosen:
        return f"{line}; no smaller one is {within}."
    return (
        f"{line}. The smallest {within} is {_says(small)}, {metric} "
        f"{small.quality:.4f}. It is {small.path}"
    )


def _order(point: Point) -> tuple[float, float, float]:
    return -point.quality, point.mb, point.latency_ms


def _says(point: Point) -> str:
    return f"{point.name}, {point.mb:.2f} MB, {point.latency_ms:.2f} ms"


def _loss(first: Point, point: Point) -> str:
    lost = 100 * (first.quality - point.quality)
    words = "below" if lost >= 0 else "above"
    return f"{abs(lost):.2f} points {words} {first.name}"
