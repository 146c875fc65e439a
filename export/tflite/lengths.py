"""One TFLite file for examples of several lengths: a signature for each.

Of a file with fixed shapes every operation is known in advance, which is faster than
shapes that change from call to call; a short text in a short signature is faster yet.
"""

import copy
from collections.abc import Mapping, Sequence

from bert_tf.errors import InputError
from export.tflite import graphs
from export.tflite.graphs import schema


def check(more: Sequence[int], longest: int, mediapipe: bool) -> None:
    """Checks lengths that a file is to take besides its longest.

    Raises:
        InputError: one that it cannot take, or takes already.
    """
    if more and mediapipe:
        raise InputError(
            "--more_lengths: MediaPipe takes files with one signature. Leave out it or "
            "--mediapipe."
        )
    for length in more:
        if not 3 <= length < longest or more.count(length) > 1:
            raise InputError(
                "--more_lengths must be different lengths of at least 3 and less than "
                f"the longest, {longest} (--max_seq_length). Received: {length}"
            )


def join(longest: bytes, others: Mapping[int, bytes]) -> bytes:
    """Joins files of the same weights, each made for another length.

    Args:
        longest: the file whose signature keeps its name.
        others: length -> file, whose signature is then `tokens_64`, say.

    Returns:
        A file in which what is equal, the weights above all, stands once.
    """
    joined = graphs.read(longest)
    places: dict[tuple[bytes, int], int] = {}
    for place, buffer in enumerate(joined.buffers):
        places.setdefault(_content(buffer, place), place)
    for length, content in others.items():
        _append(joined, graphs.read(content), f"tokens_{length}", places)
    return graphs.write(joined)


def _append(
    joined: schema.ModelT,
    model: schema.ModelT,
    name: str,
    places: dict[tuple[bytes, int], int],
) -> None:
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    # Buffer 0 is that of all tensors which have no values.
    new_places = [0]
    for buffer in model.buffers[1:]:
        key = _content(buffer, len(joined.buffers))
        if key not in places:
            places[key] = len(joined.buffers)
            joined.buffers.append(buffer)
        new_places.append(places[key])
    for tensor in graph.tensors:
        tensor.buffer = new_places[tensor.buffer]
    codes = [_operator_code(joined, code) for code in model.operatorCodes]
    for operator in graph.operators:
        operator.opcodeIndex = codes[operator.opcodeIndex]
    signature.signatureKey = name.encode()
    signature.subgraphIndex = len(joined.subgraphs)
    graph.name = name.encode()
    joined.subgraphs.append(graph)
    joined.signatureDefs.append(signature)


def _operator_code(joined: schema.ModelT, code: schema.OperatorCodeT) -> int:
    for place, known in enumerate(joined.operatorCodes):
        if vars(known) == vars(code):
            return place
    joined.operatorCodes.append(copy.copy(code))
    return len(joined.operatorCodes) - 1


def _content(buffer: schema.BufferT, place: int) -> tuple[bytes, int]:
    """Returns what equal buffers have in common; an empty one equals none."""
    if buffer.data is None or len(buffer.data) == 0:
        return b"", place
    return bytes(memoryview(buffer.data)), -1
