"""Small scatter charts as SVG text."""

import dataclasses
import html
import math
from collections.abc import Sequence

from bert_tf.reporting.curves import ticks_of

_WIDTH, _HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 28, 40
_COLOR = "#1f5fa8"


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
    ticks = ticks_of(min(d.y for d in dots), max(d.y for d in dots))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / left) / (math.log(right / left) or 1.0)
        up = (y - low) / ((high - low) or 1.0)
        return (
            _LEFT + 10 + across * (_WIDTH - _LEFT - _RIGHT - 20),
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
    for x in sorted({left, right}):
        parts.append(
            f'<text x="{place(x, low)[0]:.1f}" y="{_HEIGHT - _BOTTOM + 14}" '
            f'text-anchor="middle">{x:.4g}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" '
        f'text-anchor="middle">{html.escape(x_label)}</text>'
    )
    for dot in dots:
        x, y = place(dot.x, dot.y)
        label = html.escape(dot.label)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{_COLOR}" '
            f'fill="{_COLOR if dot.full else "none"}"><title>{label}</title></circle>'
        )
        if dot.full:
            end = x > _WIDTH / 2  # So that it stays inside.
            parts.append(
                f'<text x="{x - 7 if end else x + 7:.1f}" y="{y - 6:.1f}" '
                f'text-anchor="{"end" if end else "start"}">{label}</text>'
            )
    return "".join([*parts, "</svg>"])
