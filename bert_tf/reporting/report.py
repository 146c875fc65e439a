"""The report of a run: `report.html`, self-contained, and the same as Markdown."""

import html
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.reporting.curves import chart
from bert_tf.reporting.samples import Sample
from bert_tf.storage import files
from bert_tf.storage.json_files import flatten

# Title, key in `metrics.jsonl`, and whether held-out values are drawn too.
_CHARTS = (
    ("Loss", "loss", True),
    ("Masked-LM accuracy", "masked_lm_accuracy", True),
    ("Next-sentence accuracy", "next_sentence_accuracy", True),
    ("Learning rate", "learning_rate", False),
    ("Gradient norm", "gradient_norm", False),
    ("Sequences a second", "examples_per_second", False),
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto;
       padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; }
td, th { border-bottom: 1px solid #ddd; padding: 0.2em 1em 0.2em 0; text-align: left; }
svg { margin: 0 1em 1em 0; } svg text { font: 11px system-ui, sans-serif; }
svg .title { font-weight: 600; font-size: 12px; } svg .grid { stroke: #e4e4e4; }
"""

Table = Mapping[str, Any]


def write_report(
    workdir: Path,
    *,
    config: Table,
    results: Table,
    data: Table,
    devices: Sequence[str],
    metrics: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
) -> Path:
    """Writes `report.html` and `report.md` into a workdir.

    Args:
        workdir: where; its name is the title.
        config: the resolved configuration, nested.
        results: name -> number, the last evaluation.
        data: statistics of the training records, nested.
        devices: what the run computed on.
        metrics: the lines of `metrics.jsonl`.
        samples: held-out examples with guesses.

    Returns:
        The path of `report.html`.
    """
    title = f"Pretraining report: {workdir.name}"
    tables = {
        "Results": results,
        "Hardware": hardware(devices),
        "Data": flatten(data),
        "Configuration": flatten(config),
    }
    sections = {
        "Results": _html_table(tables["Results"]),
        "Curves": "".join(_draw(metrics, *chart_of) for chart_of in _CHARTS),
        "Masked tokens": _html_samples(samples),
        **{name: _html_table(tables[name]) for name in list(tables)[1:]},
    }
    page = [
        "<!doctype html>",
        f"<html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        *(f"<h2>{name}</h2>\n{content}" for name, content in sections.items()),
        "</html>",
    ]
    files.write_text(workdir / "report.html", "\n".join(page) + "\n")
    files.write_text(workdir / "report.md", _markdown(title, tables, metrics, samples))
    return workdir / "report.html"


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


def _draw(
    metrics: Sequence[Mapping[str, Any]], title: str, key: str, held_out: bool
) -> str:
    splits = {"training": "train", **({"held out": "eval"} if held_out else {})}
    return chart(
        title,
        {
            label: [
                (line["step"], line[key])
                for line in metrics
                if line["split"] == split and line.get(key) is not None
            ]
            for label, split in splits.items()
        },
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value)


def _html_table(table: Table) -> str:
    rows = (
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(_text(value))}</td></tr>"
        for name, value in table.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _html_samples(samples: Sequence[Sample]) -> str:
    parts = []
    for sample in samples:
        parts.append(f"<p>{html.escape(sample.text)}</p><table>")
        for masked in sample.masked:
            parts.append(
                f"<tr><th>{html.escape(masked.original)}</th>"
                f"<td>{html.escape(_guesses(masked.guesses))}</td></tr>"
            )
        parts.append("</table>")
    return "".join(parts)


def _guesses(guesses: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{token} {probability:.2f}" for token, probability in guesses)


def _markdown(
    title: str,
    tables: Mapping[str, Table],
    metrics: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
) -> str:
    lines = [f"# {title}"]
    for name, table in tables.items():
        lines += ["", f"## {name}", "", "| | |", "|---|---|"]
        lines += [f"| {key} | {_cell(_text(value))} |" for key, value in table.items()]
    train = [line for line in metrics if line["split"] == "train"]
    keys = [key for _, key, _ in _CHARTS if any(key in line for line in train)]
    lines += ["", "## Curves", "", f"| step | {' | '.join(keys)} |"]
    lines.append("|---" * (len(keys) + 1) + "|")
    for line in train[:: max(len(train) // 20, 1)]:
        values = (_text(line[key]) if key in line else "" for key in keys)
        lines.append(f"| {line['step']} | {' | '.join(values)} |")
    lines += ["", "## Masked tokens"]
    for sample in samples:
        lines += ["", _cell(sample.text), ""]
        lines += [
            f"- {masked.original}: {_cell(_guesses(masked.guesses))}"
            for masked in sample.masked
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
