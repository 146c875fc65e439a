"""The report of a chain: what each stage came to, and which file to ship."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.chain.commands import Step
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.frontier import Point, advice, frontier
from bert_tf.chain.plan import Plan
from bert_tf.chain.running import Done
from bert_tf.checkpoints.workdir import run_name
from bert_tf.reporting import report
from bert_tf.reporting.scatter import Dot, scatter
from bert_tf.reporting.sections import Chart, Section, Table, Text
from bert_tf.storage.json_files import read_json

_FORMS = {"tflite": "TFLite files", "saved_model": "SavedModels"}


@dataclasses.dataclass(frozen=True)
class Results:
    """What a chain came to.

    Attributes:
        metric: the name of the points' quality.
        num_examples: held-out examples that it was measured on.
        points: all exported files.
        timing: how latency was measured: a sentence.
    """

    metric: str
    num_examples: int
    points: Sequence[Point]
    timing: str

    def of_form(self, form: str) -> list[Point]:
        """Returns the points of one form."""
        return [point for point in self.points if point.form == form]

    def advice(self, max_mb: float | None, max_latency_ms: float | None) -> list[str]:
        """Returns a line for each form that says what to ship."""
        return [
            advice(points, self.metric, max_mb, max_latency_ms)
            for form in _FORMS
            if (points := self.of_form(form))
        ]


def read_results(plan: Plan) -> Results:
    """Returns what a chain's finished commands measured."""
    latency = read_json(plan.latency.output)
    points, metric, num_examples = [], "", 0
    for stage in plan.stages:
        accuracy = read_json(stage.accuracy.output)
        metric, num_examples = accuracy["quality"], accuracy["num_examples"]
        for _, file in stage.exports:
            place = file.path.relative_to(plan.latency.folder)
            timed = _entry(latency["files"], place)
            quality = _entry(accuracy["artifacts"], place)[metric]
            points.append(
                Point(
                    stage=file.stage,
                    form=file.form,
                    quantization=file.quantization,
                    path=str(file.path),
                    mb=timed["num_bytes"] / 1e6,
                    latency_ms=timed["best_ms"],
                    quality=math.nan if quality is None else quality,
                )
            )
    timing = (
        f"The fastest of {latency['calls']} calls with one example of "
        f"{latency['length']} tokens, {latency['num_threads']} threads, all files in "
        "turns."
    )
    return Results(metric, num_examples, points, timing)


def _entry(entries: Sequence[dict[str, Any]], place: Path) -> dict[str, Any]:
    """Returns what was measured of a file; the workdir may have been moved since.

    Args:
        entries: one a file.
        place: of the file in its workdir.
    """
    count = len(place.parts)
    return next(e for e in entries if Path(e["path"]).parts[-count:] == place.parts)


def write(
    workdir: Path,
    config: CompressionConfig,
    results: Results,
    done: Sequence[tuple[Step, Done]],
    lines: Sequence[str],
) -> Path:
    """Writes `report.html` and `report.md`.

    Args:
        workdir: of the chain.
        config: of the chain.
        results: what was measured.
        done: all commands and how long they took.
        lines: what to ship.

    Returns:
        The path of `report.html`.
    """
    sections = [Section("What to ship", [Text(line) for line in lines])]
    for form, title in _FORMS.items():
        if points := results.of_form(form):
            sections.append(_frontier(title, points, results))
    commands = [[step.label, each.seconds, step.command] for step, each in done]
    settings: Mapping[str, Any] = {
        f"{number}_{stage.name}": dataclasses.asdict(stage)
        for number, stage in enumerate(config.stages, start=1)
    }
    run = {**config.to_dict(), "stages": len(config.stages)}
    sections += [
        Section("Commands", [Table(commands, ["step", "seconds", "command"])]),
        report.values("Stages", settings),
        report.values("Hardware", report.hardware(["CPU"])),
        report.values("Configuration", run),
    ]
    title = f"Compression report: {run_name(workdir)}"
    return report.write_report(workdir, title, sections)


def _frontier(title: str, points: Sequence[Point], results: Results) -> Section:
    first, metric = points[0], results.metric
    best = frontier(points)
    rows = [
        [
            *(point.name, round(point.mb, 2), round(first.mb / point.mb, 2)),
            round(point.latency_ms, 2),
            round(first.latency_ms / point.latency_ms, 2),
            *(point.quality, round(100 * (first.quality - point.quality), 2)),
            "yes" if on_it else "",
        ]
        for point, on_it in zip(points, best, strict=True)
    ]
    header = ["model", "MB", "times smaller", "ms", "times faster", metric]
    table = Table(rows, [*header, "points lost", "on the frontier"])
    charts = "".join(
        scatter(
            f"{metric} by {what}",
            label,
            [
                Dot(getattr(point, field), point.quality, point.name, on_it)
                for point, on_it in zip(points, best, strict=True)
            ],
        )
        for what, label, field in (
            ("size", "MB", "mb"),
            ("latency", "ms an example", "latency_ms"),
        )
    )
    return Section(
        title,
        [
            Text(
                f"Measured: {metric} on {results.num_examples:,} held-out examples. "
                f"{results.timing} Compared with {first.name}. On the frontier (full "
                "dots) is what no other file beats or equals in size, latency and "
                f"{metric} at once.{_spread(results, first)}"
            ),
            Chart(charts, Table([])),
            table,
        ],
    )


def _spread(results: Results, first: Point) -> str:
    """Says how far chance alone moves a share of examples; nothing of other metrics.

    That is the normal approximation's 95 %. Files that are measured on the same
    examples differ by less.
    """
    share = first.quality
    if results.metric != "accuracy" or not 0 < share < 1:
        return ""
    points = 196 * math.sqrt(share * (1 - share) / results.num_examples)
    return (
        f" On as many other examples {first.name} would be within {points:.1f} points "
        "of its accuracy 95 times in 100: smaller differences may be chance."
    )
