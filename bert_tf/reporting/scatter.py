"""Small scatter charts as SVG text."""

import dataclasses
import html
import math
from collections.abc import Sequence

from bert_tf.reporting.frame import Frame, round_ticks

_COLOR = "#1f5fa8"
_INSET = 10  # Between the frame and the outermost points.


@dataclasses.dataclass(frozen=True)
class Dot:
    """A point of a chart.

    Attributes:
        x: from left to right; positive.
        y: upwards.
        label: what stands beside it if it is full, and where the mouse is.
        full: whether it is filled; others are drawn as a ring.
    """

    x: float
    y: float
    label: str
    full: bool


def scatter(title: str, x_label: str, dots: Sequence[Dot]) -> str:
    """Draws points; the distance between two x shows their ratio.

    Args:
        title: what they show.
        x_label: what x is.
        dots: those that are not finite are left out.

    Returns:
        An `<svg>` element; empty if there is nothing to draw.
    """
    dots = [d for d in dots if math.isfinite(d.y) and 0 < d.x < math.inf]
    if not dots:
        return ""
    left, right = min(d.x for d in dots), max(d.x for d in dots)
    ticks = round_ticks(min(d.y for d in dots), max(d.y for d in dots))
    frame = Frame(ticks, height=260, right=16, bottom=40)

    def place_x(x: float) -> float:
        across = math.log(x / left) / (math.log(right / left) or 1.0)
        return frame.left + _INSET + across * (frame.inner_width - 2 * _INSET)

    drawing = [
        f'<text x="{place_x(x):.1f}" y="{frame.height - frame.bottom + 14}" '
        f'text-anchor="middle">{x:.4g}</text>'
        for x in sorted({left, right})
    ]
    drawing.append(
        f'<text x="{frame.left + frame.inner_width / 2}" y="{frame.height - 8}" '
        f'text-anchor="middle">{html.escape(x_label)}</text>'
    )
    for dot in dots:
        x, y = place_x(dot.x), frame.y(dot.y)
        label = html.escape(dot.label)
        drawing.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{_COLOR}" '
            f'fill="{_COLOR if dot.full else "none"}"><title>{label}</title></circle>'
        )
        if dot.full:
            end = x > frame.width / 2  # So that it stays inside.
            drawing.append(
                f'<text x="{x - 7 if end else x + 7:.1f}" y="{y - 6:.1f}" '
                f'text-anchor="{"end" if end else "start"}">{label}</text>'
            )
    return frame.svg(title, drawing)
