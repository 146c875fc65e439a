"""Which operations a server links, and which a SavedModel uses.

A server refuses to load a graph with an operation that it does not link, and says so
only there. `tf_serving_ops.txt` lists what stock TF Serving links, with its sources.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from bert_tf.errors import InputError

_OPS_FILE = Path(__file__).with_name("tf_serving_ops.txt")
TEXT_OPS = "tensorflow_text"


def linked_ops() -> dict[str, frozenset[str]]:
    """Returns the operations that TF Serving links, by where they come from.

    Returns:
        `core`, TensorFlow's own, and `tensorflow_text`, the tokenizers'.
    """
    sections: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in _OPS_FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            names = sections.setdefault(line.strip("[]"), set())
        elif line and not line.startswith("#"):
            names.add(line)
    return {section: frozenset(names) for section, names in sections.items()}


def used_ops(directory: str | os.PathLike[str]) -> dict[str, set[str]]:
    """Returns the operations of a SavedModel's signatures.

    Args:
        directory: the SavedModel.

    Returns:
        operation -> the signatures that use it; none for what only loading does.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(
        (Path(directory) / "saved_model.pb").read_bytes()
    )
    (graph,) = saved.meta_graphs
    # A call is an attribute, or an operation that has the function's name.
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    used: dict[str, set[str]] = {}
    for node in graph.graph_def.node:
        used.setdefault(node.op, set())
    for function in functions.values():
        for node in function:
            used.setdefault(node.op, set())
    for name, signature in graph.signature_def.items():
        ends = {value.name.partition(":")[0] for value in signature.outputs.values()}
        for op in _reached(ends, nodes, functions):
            used[op].add(name)
    return {op: names for op, names in used.items() if op not in functions}


def _reached(ends: Iterable[str], nodes: Mapping, functions: Mapping) -> set[str]:
    """Returns the operations that nodes depend on, in the functions they call too."""
    ops: set[str] = set()
    called: set[str] = set()
    seen: set[str] = set()
    names = list(ends)
    waiting = []
    while names:
        name = names.pop().lstrip("^").partition(":")[0]
        if name not in seen:
            seen.add(name)
            waiting.append(nodes[name])
            names += nodes[name].input
    while waiting:
        node = waiting.pop()
        ops.add(node.op)
        calls = [node.op]
        for value in node.attr.values():
            calls += [value.func.name, *(f.name for f in value.list.func)]
        for call in set(calls) & functions.keys() - called:
            called.add(call)
            waiting += functions[call]
    return ops


def check(directory: str | os.PathLike[str], *, with_text: bool) -> None:
    """Refuses a SavedModel that stock TF Serving could not load.

    Args:
        directory: the SavedModel.
        with_text: whether the server links TensorFlow Text's operations.

    Raises:
        InputError: it uses an operation that the server does not link.
    """
    linked = linked_ops()
    allowed = linked["core"] | (linked[TEXT_OPS] if with_text else frozenset())
    missing = {
        op: names for op, names in used_ops(directory).items() if op not in allowed
    }
    if not missing:
        return
    ops = ", ".join(sorted(missing))
    signatures = ", ".join(sorted(set().union(*missing.values()))) or "none"
    kind = "TF Serving" if with_text else "a server without TensorFlow Text"
    text_only = missing.keys() <= linked[TEXT_OPS]
    raise InputError(
        f"{os.fspath(directory)}: {kind} does not link {ops} (in the signatures: "
        f"{signatures}); see {_OPS_FILE.name}."
        + (" Export with --signatures=ids, which leaves them out." if text_only else "")
    )
