"""What a report shows of a classifier: its classes, its errors, its confidence."""

import html
from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.calibration import ReliabilityBin, expected_calibration_error
from bert_tf.metrics.classification import ClassFigures
from bert_tf.reporting.sections import Chart, Table

# A larger matrix is no longer read; its largest entries are.
_MAX_MATRIX = 30
_MAX_CONFUSIONS = 20
# Names of the columns in full if they fill no more than a line.
_MAX_HEADER = 60
_MAX_TEXT = 400
_SIZE, _LEFT, _TOP = 220, 36, 28


def class_table(figures: Sequence[ClassFigures]) -> Table:
    """Shows how each class fared.

    Args:
        figures: a row each, in this order.
    """
    return Table(
        [
            [f.name, f.precision, f.recall, f.f1, f.support, f.predicted]
            for f in figures
        ],
        ["class", "precision", "recall", "F1", "examples", "predicted"],
        "Each class",
    )


def confusion_table(matrix: np.ndarray, class_names: Sequence[str]) -> Table:
    """Shows which class was taken for which.

    Args:
        matrix: int `[num_classes, num_classes]`, row true, column predicted class.
        class_names: in the order of their numbers.

    Returns:
        The matrix, each cell shaded by its share of the row; if it has more than 30
        rows, the commonest confusions.
    """
    if len(class_names) > _MAX_MATRIX:
        return _confusions(matrix, class_names)
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names: Sequence[str] = class_names
    columns: Sequence[str] = class_names
    if len("".join(class_names)) > _MAX_HEADER:
        columns = [str(i + 1) for i in range(len(class_names))]
        names = [f"{i} {name}" for i, name in zip(columns, names, strict=True)]
    return Table(
        [[name, *row] for name, row in zip(names, matrix.tolist(), strict=True)],
        ["true \\ predicted", *columns],
        "Confusion matrix",
        [[0.0, *row] for row in (matrix / totals).tolist()],
    )


def _confusions(matrix: np.ndarray, class_names: Sequence[str]) -> Table:
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
    pairs = [divmod(int(i), len(matrix)) for i in order if wrong.flat[i]]
    return Table(
        [[class_names[i], class_names[j], int(matrix[i, j])] for i, j in pairs],
        ["true", "predicted", "examples"],
        "Commonest confusions",
    )


def error_table(errors: Sequence[tuple[str, str, str, float]]) -> Table:
    """Shows examples that the model got wrong.

    Args:
        errors: text, true class, predicted class, and the latter's probability.
    """
    return Table(
        [[_shortened(text), *rest] for text, *rest in errors],
        ["text", "true", "predicted", "probability"],
        "Worst errors",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Chart:
    """Draws how often the model is right against how sure it is.

    Args:
        bins: of `metrics.calibration.reliability`; empty ones have no bar.
    """
    title = f"Reliability (ECE {expected_calibration_error(bins):.3f})"
    used = [b for b in bins if b.count]
    table = Table(
        [
            [f"{b.low:.2f}–{b.high:.2f}", b.count, b.confidence, b.accuracy]
            for b in used
        ],
        ["confidence", "predictions", "mean confidence", "accuracy"],
        title,
    )
    width = _LEFT + _SIZE + 12
    height = _TOP + _SIZE + 40

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x * _SIZE, _TOP + (1.0 - y) * _SIZE

    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(title)}">',
        f'<text x="{_LEFT}" y="14" class="title">{html.escape(title)}</text>',
    ]
    for tick in (0.0, 0.5, 1.0):
        (left, y), (right, _) = place(0.0, tick), place(1.0, tick)
        x, bottom = place(tick, 0.0)
        parts.append(
            f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}" class="grid"/>'
            f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
            f'<text x="{x}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>'
        )
    for b in used:
        x, y = place(b.low, b.accuracy)
        bar, tall = (b.high - b.low) * _SIZE - 1, b.accuracy * _SIZE
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar:.1f}" height="{tall:.1f}" '
            f'fill="#1f5fa8"><title>{b.count} predictions</title></rect>'
        )
    (x1, y1), (x2, y2) = place(0.0, 0.0), place(1.0, 1.0)
    parts.append(
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#c2541b" '
        'stroke-dasharray="4 3"/>'
        f'<text x="{_LEFT + _SIZE / 2}" y="{height - 8}" text-anchor="middle">'
        "confidence; bars: share that is right</text></svg>"
    )
    return Chart("".join(parts), table)
