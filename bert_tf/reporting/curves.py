"""Small line charts as SVG text."""

import html
import math
from collections.abc import Mapping, Sequence

from bert_tf.reporting.frame import Frame, round_ticks

Points = Sequence[tuple[float, float]]

_COLORS = ("#1f5fa8", "#c2541b", "#3c7d3c")
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
    ticks = round_ticks(min(y for _, y in points), max(y for _, y in points))
    frame = Frame(ticks, height=220, right=12, bottom=26)

    def place_x(x: float) -> float:
        across = (x - left) / ((right - left) or 1)
        return frame.left + across * frame.inner_width

    drawing = [
        f'<text x="{place_x(x):.1f}" y="{frame.height - 8}" '
        f'text-anchor="{anchor}">{x:,.0f}</text>'
        for x, anchor in ((left, "start"), (right, "end"))
    ]
    for index, (label, line) in enumerate(series.items()):
        color = _COLORS[index % len(_COLORS)]
        path = " ".join(f"{place_x(x):.1f},{frame.y(y):.1f}" for x, y in line)
        drawing.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" '
            'stroke-width="1.5"/>'
            f'<text x="{frame.width - frame.right - 90 * index}" y="14" '
            f'text-anchor="end" fill="{color}">{html.escape(label)}</text>'
        )
    return frame.svg(title, drawing)


def _thin(points: Points) -> Points:
    stride = math.ceil(len(points) / _MAX_POINTS)
    return [*points[:-1:stride], points[-1]]
