"""What a report is made of, and how it becomes HTML and Markdown."""

import dataclasses
import html
import json
from collections.abc import Sequence
from typing import Any

# Of the cell that is shaded most, as in the charts.
_SHADE = "31, 95, 168"
_DARK = 0.6


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: plain text, in which nothing is markup.
    """

    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        rows: strings, numbers, or values that become JSON; all rows of one length.
        header: names of the columns; empty for none.
        title: what it shows; empty where the section's title says it.
        shades: for each cell 0.0 (none) to 1.0, which HTML shows as its color. Empty
            for a table without.
    """

    rows: Sequence[Sequence[Any]]
    header: Sequence[str] = ()
    title: str = ""
    shades: Sequence[Sequence[float]] = ()


@dataclasses.dataclass(frozen=True)
class Chart:
    """A drawing, and for Markdown, which has none, its numbers.

    Attributes:
        svg: one or more `<svg>` elements.
        table: the numbers.
    """

    svg: str
    table: Table


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report under a heading.

    Attributes:
        title: the heading.
        items: what stands below it, in order.
    """

    title: str
    items: Sequence[Text | Table | Chart]


def to_html(sections: Sequence[Section]) -> str:
    """Returns the sections as HTML, to stand in the body of a page."""
    lines = []
    for section in sections:
        lines.append(f"<h2>{html.escape(section.title)}</h2>")
        lines += [_item_html(item) for item in section.items]
    return "\n".join(lines) + "\n"


def to_markdown(sections: Sequence[Section]) -> str:
    """Returns the sections as Markdown."""
    blocks = []
    for section in sections:
        blocks.append(f"## {section.title}")
        for item in section.items:
            if isinstance(item, Text):
                blocks.append(_escaped(item.text))
            else:
                blocks += _table_markdown(
                    item if isinstance(item, Table) else item.table
                )
    return "\n\n".join(blocks) + "\n"


def _item_html(item: Text | Table | Chart) -> str:
    if isinstance(item, Text):
        return f"<p>{html.escape(item.text)}</p>"
    return item.svg if isinstance(item, Chart) else _table_html(item)


def _table_html(table: Table) -> str:
    parts = [f"<h3>{html.escape(table.title)}</h3>"] if table.title else []
    parts.append("<table>")
    if table.header:
        cells = "".join(f"<th>{html.escape(name)}</th>" for name in table.header)
        parts.append(f"<tr>{cells}</tr>")
    for i, row in enumerate(table.rows):
        shades = table.shades[i] if table.shades else [0.0] * len(row)
        cells = "".join(map(_cell_html, row, shades))
        parts.append(f"<tr>{cells}</tr>")
    return "".join([*parts, "</table>"])


def _cell_html(value: Any, shade: float) -> str:
    style = ""
    if shade:
        color = "; color: #fff" if shade > _DARK else ""
        style = f' style="background: rgba({_SHADE}, {shade:.2f}){color}"'
    return f"<td{style}>{html.escape(cell_text(value))}</td>"


def _table_markdown(table: Table) -> list[str]:
    if not table.rows:
        return []
    header = table.header or [""] * len(table.rows[0])
    rows = [header, ["---"] * len(header), *table.rows]
    lines = (f"| {' | '.join(_escaped(cell_text(v)) for v in row)} |" for row in rows)
    title = [f"**{_escaped(table.title)}**"] if table.title else []
    return [*title, "\n".join(lines)]


def cell_text(value: Any) -> str:
    """Returns a cell as it is read: numbers short, what has parts as JSON."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
