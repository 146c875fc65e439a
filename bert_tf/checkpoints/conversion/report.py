"""The table that says what a conversion did with every variable."""

import collections
import re
from collections.abc import Sequence

from bert_tf.checkpoints.conversion.model_weights import ModelWeights

_LAYER = re.compile(r"(layer[_.]|layer_with_weights-|layers/|layer/)(\d+)")


def table(weights: ModelWeights, newly_initialised: Sequence[str]) -> str:
    """Returns a table of mapped, new and left-over variables.

    A variable that every layer has takes one row.

    Args:
        weights: what was written.
        newly_initialised: names that the target needed and `weights` lacked.
    """
    rows: list[tuple[str, str, tuple[int, ...], str]] = []
    for name, array in weights.variables.items():
        rows.append(("mapped", name, array.shape, weights.source_names.get(name, "")))
    for name, shape in weights.missing.items():
        state = "new" if name in newly_initialised else "missing"
        rows.append((state, name, shape, ""))
    for source, shape in weights.left_over.items():
        rows.append(("left over", "", shape, source))

    # "#" stands for a layer's number.
    counts = collections.Counter(
        (state, _LAYER.sub(r"\1#", name), str(list(shape)), _LAYER.sub(r"\1#", source))
        for state, name, shape, source in rows
    )
    header = ("", "variable", "shape", "count", "source")
    cells = [
        header,
        *(
            (state, name, shape, str(count), source)
            for (state, name, shape, source), count in counts.items()
        ),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
