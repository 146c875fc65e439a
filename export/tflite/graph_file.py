"""A TFLite file's graph as objects: read, added to and written again.

Source: `tensorflow/compiler/mlir/lite/schema/schema.fbs`.
"""

from collections.abc import Iterator

import numpy as np

from bert_tf.errors import InputError

try:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils
except ImportError:
    raise InputError(
        "Writing a TFLite file needs LiteRT: pip install 'bert-tf[mobile]'"
    ) from None

_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items()}

SIGNATURE = "serving_default"


def read(content: bytes) -> schema.ModelT:
    """Returns a file's graph, to be changed and written again."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def write(model: schema.ModelT) -> bytes:
    """Returns a graph as the contents of a file."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Returns an operator's name, such as `FULLY_CONNECTED`."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def constant(model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    """Returns the values of a float32 constant, or None for any other tensor."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type != schema.TensorType.FLOAT32:
        return None
    values = np.frombuffer(memoryview(data), np.float32)
    return values.reshape(list(tensor.shape) if tensor.shape is not None else [])


def products(model: schema.ModelT) -> Iterator[tuple[int, schema.OperatorT]]:
    """Yields operators whose second input is a weight, after their graph's number."""
    for number, graph in enumerate(model.subgraphs):
        for operator in graph.operators:
            name = operator_name(model, operator)
            if name in ("FULLY_CONNECTED", "EMBEDDING_LOOKUP"):
                yield number, operator


def add_metadata(model: schema.ModelT, name: bytes, value: bytes) -> None:
    """Adds an entry to the metadata of the file."""
    entry = schema.MetadataT()
    entry.name = name
    entry.buffer = add_buffer(model, np.frombuffer(value, np.uint8))
    model.metadata = [*(model.metadata or []), entry]


def share_buffers(model: schema.ModelT) -> None:
    """Keeps one copy of constants that are the same in several graphs."""
    seen: dict[bytes, int] = {}
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and len(buffer.data):
            seen.setdefault(bytes(buffer.data), index)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                tensor.buffer = seen[bytes(data)]
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    for index in range(len(model.buffers)):
        if index not in used and not _is_metadata(model, index):
            model.buffers[index].data = None


def operator_code(model: schema.ModelT, builtin: int) -> int:
    """Returns an operator's place among those of the file, which it is added to."""
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return index
    code = schema.OperatorCodeT()
    # Codes beyond 127 do not fit the older field; these are below.
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def add_tensor(
    graph: schema.SubGraphT, name: bytes, shape: list[int], dtype: int
) -> int:
    """Adds a tensor without values, and returns its place in the graph."""
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, shape, dtype
    tensor.buffer = 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_buffer(model: schema.ModelT, value: np.ndarray) -> int:
    """Adds a constant's values, and returns their place in the file."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(value.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _is_metadata(model: schema.ModelT, index: int) -> bool:
    return any(entry.buffer == index for entry in model.metadata or [])
