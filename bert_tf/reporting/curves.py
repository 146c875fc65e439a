"""Small line charts as SVG text."""

import html
import math
from collections.abc import Mapping, Sequence

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 28, 26
_COLOURS = ("#1f5fa8", "#c2541b", "#3c7d3c")
# A chart is no wider than this many pixels; more points only make the file larger.
_MAX_POINTS = 400


def chart(title: str, series: Mapping[str, Points]) -> str:
    """Draws lines over training steps.

    Args:
        title: what they show.
        series: label -> `(step, value)` points in order; what is not finite is left
            out.

    Returns:
        An `<svg>` element; empty if there is nothing to draw.
    """
    finite = {
        label: [(x, y) for x, y in points if math.isfinite(y)]
        for label, points in series.items()
    }
    series = {label: _thin(points) for label, points in finite.items() if points}
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    ticks = ticks_of(min(y for _, y in points), max(y for _, y in points))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / ((right - left) or 1)
        up = (y - low) / ((high - low) or 1)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="{html.escape(title)}">',
        f'<text x="{_LEFT}" y="14" class="title">{html.escape(title)}</text>',
    ]
    for tick in ticks:
        _, y = place(left, tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            f'class="grid"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{tick:.4g}</text>'
        )
    for x, anchor in ((left, "start"), (right, "end")):
        parts.append(
            f'<text x="{place(x, low)[0]:.1f}" y="{_HEIGHT - 8}" '
            f'text-anchor="{anchor}">{x:,.0f}</text>'
        )
    for index, (label, line) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="1.5"/>'
            f'<text x="{_WIDTH - _RIGHT - 90 * index}" y="14" text-anchor="end" '
            f'fill="{colour}">{html.escape(label)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _thin(points: Points) -> Points:
    stride = math.ceil(len(points) / _MAX_POINTS)
    return [*points[:-1:stride], points[-1]]


def ticks_of(low: float, high: float) -> list[float]:
    """Returns about five round numbers that span the values, in order."""
    spread = (high - low) or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(spread / 4))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= spread / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]
