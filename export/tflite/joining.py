"""Several graphs in one TFLite file, in which what is equal stands once."""

import copy
from collections.abc import Iterable

from export.tflite import graph_file
from export.tflite.graph_file import schema


class JoinedFile:
    """A file that takes in the graphs of others, the weights they share only once.

    Args:
        content: the file.

    Attributes:
        model: the file as it is now.
    """

    def __init__(self, content: bytes):
        self.model = graph_file.read(content)
        self._places: dict[tuple[bytes, int], int] = {}
        for place, buffer in enumerate(self.model.buffers):
            self._places.setdefault(_content(buffer, place), place)

    def adopt(self, content: bytes) -> tuple[schema.SubGraphT, schema.SignatureDefT]:
        """Returns the graph of another file as it has to be in this one.

        Args:
            content: a file of one graph, whose constants come into this one.

        Returns:
            The graph and its signature, which `add` takes, changed or not.
        """
        model = graph_file.read(content)
        (graph,), (signature,) = model.subgraphs, model.signatureDefs
        # Buffer 0 is that of all tensors which have no values.
        new_places = [0]
        for buffer in model.buffers[1:]:
            key = _content(buffer, len(self.model.buffers))
            if key not in self._places:
                self._places[key] = len(self.model.buffers)
                self.model.buffers.append(buffer)
            new_places.append(self._places[key])
        for tensor in graph.tensors:
            tensor.buffer = new_places[tensor.buffer]
        codes = [self._operator_code(code) for code in model.operatorCodes]
        for operator in graph.operators:
            operator.opcodeIndex = codes[operator.opcodeIndex]
        return graph, signature

    def add(
        self, name: str, graph: schema.SubGraphT, signature: schema.SignatureDefT
    ) -> None:
        """Adds a graph that refers to this file's constants.

        Args:
            name: of its signature, and of the graph.
            graph: what it computes.
            signature: its inputs and outputs.
        """
        signature.signatureKey = graph.name = name.encode()
        signature.subgraphIndex = len(self.model.subgraphs)
        self.model.subgraphs.append(graph)
        self.model.signatureDefs.append(signature)

    def _operator_code(self, code: schema.OperatorCodeT) -> int:
        for place, known in enumerate(self.model.operatorCodes):
            if vars(known) == vars(code):
                return place
        self.model.operatorCodes.append(copy.copy(code))
        return len(self.model.operatorCodes) - 1


def prepend(
    graph: schema.SubGraphT,
    signature: schema.SignatureDefT,
    first: schema.SubGraphT,
    first_signature: schema.SignatureDefT,
) -> None:
    """Has a graph take what another makes, by name, and in turn the other's inputs.

    Args:
        graph: the one that becomes both.
        signature: its inputs, each an output of the other, and its outputs.
        first: the other, of the same file, which is used up.
        first_signature: its inputs and outputs.
    """
    offset = len(graph.tensors)
    for operator in first.operators:
        operator.inputs = _moved(operator.inputs, offset)
        operator.outputs = _moved(operator.outputs, offset)
        if operator.intermediates is not None:
            operator.intermediates = _moved(operator.intermediates, offset)
    for entry in (*first_signature.inputs, *first_signature.outputs):
        entry.tensorIndex += offset
    made = {entry.name: entry.tensorIndex for entry in first_signature.outputs}
    taken = {entry.tensorIndex: made[entry.name] for entry in signature.inputs}
    for operator in graph.operators:
        operator.inputs = [taken.get(index, index) for index in operator.inputs]
    graph.tensors = [*graph.tensors, *first.tensors]
    graph.operators = [*first.operators, *graph.operators]
    graph.inputs = _moved(first.inputs, offset)
    signature.inputs = first_signature.inputs


def _moved(indices: Iterable[int], offset: int) -> list[int]:
    # -1 stands for an input that an operator does without.
    return [index + offset if index >= 0 else index for index in indices]


def _content(buffer: schema.BufferT, place: int) -> tuple[bytes, int]:
    """Returns what equal buffers have in common; an empty one equals none."""
    if buffer.data is None or len(buffer.data) == 0:
        return b"", place
    return bytes(memoryview(buffer.data)), -1
