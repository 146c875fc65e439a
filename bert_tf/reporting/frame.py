"""What small charts of SVG text share: their frame, title and grid."""

import dataclasses
import html
import math
from collections.abc import Iterable
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Frame:
    """Where a chart's values go, in pixels from its upper left corner.

    Attributes:
        ticks: what the lines of the grid stand for, from the lowest to the highest.
        height: of the whole chart.
        right: the margin at the right of the values.
        bottom: the margin below them.
        width: of the whole chart.
        left: the margin at the left of the values.
        top: the margin above them.
    """

    ticks: list[float]
    height: int
    right: int
    bottom: int
    width: ClassVar[int] = 420
    left: ClassVar[int] = 56
    top: ClassVar[int] = 28

    @property
    def inner_width(self) -> int:
        """How wide the room for values is."""
        return self.width - self.left - self.right

    def y(self, value: float) -> float:
        """Returns how far down a value stands."""
        low, high = self.ticks[0], self.ticks[-1]
        up = (value - low) / ((high - low) or 1.0)
        return self.height - self.bottom - up * (self.height - self.top - self.bottom)

    def svg(self, title: str, drawing: Iterable[str]) -> str:
        """Returns an `<svg>` element: a title and the grid, then the drawing's own."""
        title = html.escape(title)
        parts = [
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{title}">',
            f'<text x="{self.left}" y="14" class="title">{title}</text>',
        ]
        for tick in self.ticks:
            y = self.y(tick)
            parts.append(
                f'<line x1="{self.left}" x2="{self.width - self.right}" y1="{y:.1f}" '
                f'y2="{y:.1f}" class="grid"/><text x="{self.left - 6}" '
                f'y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
            )
        return "".join([*parts, *drawing, "</svg>"])


def round_ticks(low: float, high: float) -> list[float]:
    """Returns about five round numbers that span the values, in order."""
    spread = (high - low) or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(spread / 4))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= spread / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]
