"""Which weights to leave in float32 where quantizing all of them costs too much."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from export.check import tflite_weights
from export.check.litert import litert_interpreter
from export.tflite import graph_file, quantizer

_BLOCK = re.compile(r"(.*/layer_\d+)/(attention|intermediate|output|crossattention)/")
# Beyond that little of the gain in size and speed is left.
_LARGEST_SHARE = 0.5


def candidates(
    content: bytes,
    quantize: Callable[[set[str]], bytes],
    inputs: Sequence[Mapping[str, np.ndarray]],
) -> Iterator[set[str]]:
    """Yields growing sets of weights to leave in float32, the most sensitive first.

    A group of weights (of a block the attention or the feed-forward network, the
    embeddings, the head) is as sensitive as the outputs are wrong when it alone is
    quantized. Each set is twice as large as the one before.

    Args:
        content: a float32 file of `export.tflite.converter`.
        quantize: makes a file in which the weights named stay float32.
        inputs: of the signature by name, one example each.
    """
    groups: dict[str, set[str]] = {}
    for weight in tflite_weights.weights(content):
        if weight.size >= quantizer.MIN_ELEMENTS:
            groups.setdefault(_group(weight.name), set()).add(weight.name)
    everything = set().union(*groups.values())
    expected = _outputs(content, inputs)
    errors = {}
    for group, names in groups.items():
        found = _outputs(quantize(everything - names), inputs)
        errors[group] = float(np.linalg.norm(found - expected))
    worst_first = sorted(groups, key=lambda group: -errors[group])
    count = 1
    while count <= max(1, _LARGEST_SHARE * len(groups)) and count < len(groups):
        yield set().union(*(groups[group] for group in worst_first[:count]))
        count *= 2


def _group(name: str) -> str:
    if match := _BLOCK.match(name):
        part = "attention" if "attention" in match[2] else "feed_forward"
        return f"{match[1]}/{part}"
    return name


def _outputs(content: bytes, inputs: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Returns all outputs of all examples in a row."""
    interpreter = litert_interpreter()(model_content=content, num_threads=2)
    run = interpreter.get_signature_runner(graph_file.SIGNATURE)
    outputs = [run(**example) for example in inputs]
    return np.concatenate(
        [value.ravel() for row in outputs for _, value in sorted(row.items())]
    )
