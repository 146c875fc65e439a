"""The report of a run: `report.html`, self-contained, and the same as Markdown."""

import html
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.reporting import sections as parts
from bert_tf.reporting.curves import chart
from bert_tf.reporting.sections import Chart, Section, Table
from bert_tf.storage import files
from bert_tf.storage.json_files import flatten

# Lines of metrics that Markdown shows.
_LINES = 20
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto;
       padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; }
td, th { border-bottom: 1px solid #ddd; padding: 0.2em 1em 0.2em 0; text-align: left; }
svg { margin: 0 1em 1em 0; } svg text { font: 11px system-ui, sans-serif; }
svg .title { font-weight: 600; font-size: 12px; } svg .grid { stroke: #e4e4e4; }
"""


def write_report(workdir: Path, title: str, sections: Sequence[Section]) -> Path:
    """Writes `report.html` and `report.md` into a workdir.

    Returns:
        The path of `report.html`.
    """
    page = [
        "<!doctype html>",
        f"<html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        parts.to_html(sections),
        "</html>",
    ]
    files.write_text(workdir / "report.html", "\n".join(page) + "\n")
    markdown = f"# {title}\n\n{parts.to_markdown(sections)}"
    files.write_text(workdir / "report.md", markdown)
    return workdir / "report.html"


def values(title: str, nested: Mapping[str, Any]) -> Section:
    """Returns names and values as a section, nested ones by dotted name."""
    return Section(title, [Table(list(flatten(nested).items()))])


def curves(metrics: Sequence[Mapping[str, Any]], charts: Mapping[str, str]) -> Section:
    """Draws a run's metrics over its steps.

    Args:
        metrics: the lines of `metrics.jsonl`.
        charts: metric -> title of what to draw beside the loss.
    """
    held_out = {"loss": "Loss", **charts}
    training = {
        "learning_rate": "Learning rate",
        "gradient_norm": "Gradient norm",
        "examples_per_second": "Sequences a second",
    }
    drawings = [
        chart(
            title,
            {
                label: [
                    (line["step"], line[key])
                    for line in metrics
                    if line["split"] == split and line.get(key) is not None
                ]
                for label, split in {"training": "train", "held out": "eval"}.items()
                if split == "train" or key in held_out
            },
        )
        for key, title in {**held_out, **training}.items()
    ]
    lines = [line for line in metrics if line["split"] == "train"]
    keys = [k for k in (*held_out, *training) if any(k in line for line in lines)]
    rows = [
        [line["step"], *(line.get(key, "") for key in keys)]
        for line in lines[:: max(len(lines) // _LINES, 1)]
    ]
    return Section("Curves", [Chart("".join(drawings), Table(rows, ["step", *keys]))])


def hardware(devices: Sequence[str]) -> dict[str, Any]:
    """Returns what is worth knowing of this machine."""
    return {
        "processor": _processor(),
        "usable cores": len(os.sched_getaffinity(0)),
        "memory, GiB": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
        ),
        "devices": ", ".join(devices),
        "system": platform.platform(),
        "Python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()
