"""A load test as a table for the terminal, and as a page with plots."""

from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.reporting import report
from bert_tf.reporting.curves import chart
from bert_tf.reporting.sections import Chart, Section, Table, Text
from export.client.calling import Measured

_PERCENTILES = (50, 90, 95, 99)


def figures(measured: Measured) -> dict[str, Any]:
    """Returns the figures of a load test, by name; latencies in milliseconds."""
    milliseconds = 1000 * np.array([took for _, took in measured.calls])
    answered = len(milliseconds)
    result: dict[str, Any] = {
        "requests": answered,
        "errors": sum(measured.errors.values()),
        "seconds": round(measured.seconds, 2),
        "requests_per_second": round(answered / measured.seconds, 1),
        "rows_per_second": round(measured.num_rows / measured.seconds, 1),
    }
    if answered:
        result["mean_ms"] = round(float(milliseconds.mean()), 2)
        for percentile in _PERCENTILES:
            value = float(np.percentile(milliseconds, percentile))
            result[f"p{percentile}_ms"] = round(value, 2)
        result["max_ms"] = round(float(milliseconds.max()), 2)
    return result


def table(measured: Measured) -> str:
    """Returns the figures as aligned lines, and why requests failed."""
    values = figures(measured)
    width = max(map(len, values))
    lines = [f"{name:{width}}  {value:>12,}" for name, value in values.items()]
    reasons = sorted(measured.errors.items(), key=lambda item: -item[1])
    lines += [f"{count:,} x {reason:.300}" for reason, count in reasons[:5]]
    return "\n".join(lines)


def write(directory: Path, measured: Measured, title: str) -> Path:
    """Writes `report.html` and `report.md`.

    Returns:
        The path of `report.html`.
    """
    sections = [
        Section(
            "Latency and throughput",
            [
                Text(
                    f"{measured.concurrency} requests at a time of up to "
                    f"{measured.batch_size} rows each."
                ),
                Table(list(figures(measured).items())),
            ],
        )
    ]
    if measured.calls:
        sections.append(Section("Plots", [_percentiles(measured), _rates(measured)]))
    if measured.errors:
        rows = sorted(measured.errors.items(), key=lambda item: -item[1])
        sections.append(Section("Errors", [Table(rows, ("reason", "requests"))]))
    directory.mkdir(parents=True, exist_ok=True)
    return report.write_report(directory, title, sections)


def _percentiles(measured: Measured) -> Chart:
    milliseconds = 1000 * np.array([took for _, took in measured.calls])
    places = range(101)
    points = [(float(p), float(np.percentile(milliseconds, p))) for p in places]
    shown = [(int(p), round(value, 2)) for p, value in points if p % 10 == 0]
    return Chart(
        chart("Latency (ms) by percentile", {"ms": points}),
        Table(shown, ("percentile", "ms"), title="Latency by percentile"),
    )


def _rates(measured: Measured) -> Chart:
    ended = np.array([end for end, _ in measured.calls])
    # The last second is not a whole one.
    bins = max(1, int(measured.seconds))
    counts = np.bincount(ended.astype(int), minlength=bins)[:bins]
    points = [(float(i + 1), float(count)) for i, count in enumerate(counts)]
    return Chart(
        chart("Requests a second, over seconds", {"requests/s": points}),
        Table(points, ("second", "requests/s"), title="Requests a second"),
    )
