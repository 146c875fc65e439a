"""What a TFLite file's graph becomes after the converter, before it is quantized.

Each function changes a graph in place; `converter.convert_float` says in what order.
"""

from collections.abc import Mapping

import numpy as np

from export.tflite.graph_file import (
    add_buffer,
    add_tensor,
    constant,
    operator_code,
    operator_name,
    products,
    schema,
)

BOUND = 100.0
"""Stands in for constants that mean infinity.

What a masked attention score gets is -1e30 in training. Half precision turns that into
an infinity, and a calibrated range that holds it has one step for all real scores.
Scores of trained models stay within 50 or so, and exp(-100) is 0 beside 1.
"""
_INFINITE = 1e9


def fix_input(model: schema.ModelT, name: str, value: np.ndarray) -> None:
    """Turns an input of a signature, the only one to have it, into a constant.

    Args:
        model: the graph.
        name: of the input.
        value: float32.
    """
    ((signature, entry),) = (
        (signature, entry)
        for signature in model.signatureDefs
        for entry in signature.inputs
        if entry.name == name.encode()
    )
    graph = model.subgraphs[signature.subgraphIndex]
    signature.inputs.remove(entry)
    graph.inputs = [index for index in graph.inputs if index != entry.tensorIndex]
    tensor = graph.tensors[entry.tensorIndex]
    tensor.name = name.encode()
    tensor.buffer = add_buffer(model, np.ascontiguousarray(value, np.float32))


def bound_constants(model: schema.ModelT) -> None:
    """Replaces float32 constants that mean infinity by `BOUND`, or by -`BOUND`."""
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            value = constant(model, tensor)
            if value is not None and value.size and np.abs(value).max() > _INFINITE:
                bounded = np.clip(value, -BOUND, BOUND)
                tensor.buffer = add_buffer(model, bounded)


def look_up_embeddings(model: schema.ModelT) -> None:
    """Turns look-ups in constant tables into EMBEDDING_LOOKUP.

    The converter writes GATHER, for which there is no quantized table.
    """
    for graph in model.subgraphs:
        _look_up_embeddings(model, graph)


def _look_up_embeddings(model: schema.ModelT, graph: schema.SubGraphT) -> None:
    operators = []
    for operator in graph.operators:
        if not _gathers_rows(model, graph, operator):
            operators.append(operator)
            continue
        table, ids = operator.inputs
        (outputs,) = operator.outputs
        count = int(np.prod(graph.tensors[ids].shape))
        width = graph.tensors[table].shape[1]
        name = graph.tensors[outputs].name
        flat_ids = add_tensor(graph, name + b"/ids", [count], schema.TensorType.INT32)
        rows = add_tensor(
            graph, name + b"/rows", [count, width], schema.TensorType.FLOAT32
        )
        lookup = schema.OperatorT()
        lookup.opcodeIndex = operator_code(
            model, schema.BuiltinOperator.EMBEDDING_LOOKUP
        )
        lookup.inputs, lookup.outputs = [flat_ids, table], [rows]
        operators += [
            _reshape(model, graph, ids, flat_ids),
            lookup,
            _reshape(model, graph, rows, outputs),
        ]
    graph.operators = operators


def name_products(model: schema.ModelT, weights: Mapping[str, np.ndarray]) -> None:
    """Names matrix products and look-ups after the weights that they take.

    The converter's names list whatever it has joined.

    Args:
        model: the graph.
        weights: name -> weight; kernels `[inputs, outputs]` stand in the file
            transposed, and may be scaled by the LayerNorm before them.
    """
    rows = {name: _rows(name, value) for name, value in weights.items()}
    outside = {
        (signature.subgraphIndex, entry.tensorIndex)
        for signature in model.signatureDefs
        for entry in signature.outputs
    }
    for number, operator in products(model):
        graph = model.subgraphs[number]
        weight = graph.tensors[operator.inputs[1]]
        value = constant(model, weight)
        if value is None:
            continue
        found = [name for name, kernel in rows.items() if _proportional(value, kernel)]
        if len(found) == 1:
            weight.name = found[0].encode()
            (outputs,) = operator.outputs
            if (number, outputs) not in outside:
                graph.tensors[outputs].name = weight.name + b"/product"


def make_names_unique(model: schema.ModelT) -> None:
    """Numbers tensors of the same name, in one graph or several.

    The quantizer knows tensors by their names.
    """
    seen: set[bytes] = set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            name, number = tensor.name, 1
            while tensor.name in seen:
                number += 1
                tensor.name = name + b"_%d" % number
            seen.add(tensor.name)


def scale_outputs(model: schema.ModelT, bounds: Mapping[str, np.ndarray]) -> None:
    """Has products give shares of bounds, which are multiplied by these afterwards.

    So one range of int8 fits outputs of very different sizes.

    Args:
        model: the graph, its products named.
        bounds: weight name -> of each output.
    """
    for graph in model.subgraphs:
        _scale_outputs(model, graph, bounds)


def _scale_outputs(
    model: schema.ModelT, graph: schema.SubGraphT, bounds: Mapping[str, np.ndarray]
) -> None:
    operators = []
    for operator in graph.operators:
        operators.append(operator)
        if operator_name(model, operator) != "FULLY_CONNECTED":
            continue
        bound = bounds.get(graph.tensors[operator.inputs[1]].name.decode())
        if bound is None:
            continue
        for index, factor in ((1, bound[:, np.newaxis]), (2, bound)):
            tensor = graph.tensors[operator.inputs[index]]
            value = constant(model, tensor)
            assert value is not None
            # Zero biases of several products may stand in one buffer.
            tensor.buffer = add_buffer(model, value / factor)
        (outputs,) = operator.outputs
        whole = graph.tensors[outputs]
        shares = add_tensor(
            graph, whole.name + b"/shares", whole.shape, schema.TensorType.FLOAT32
        )
        factors = add_tensor(
            graph, whole.name + b"/bounds", [len(bound)], schema.TensorType.FLOAT32
        )
        graph.tensors[factors].buffer = add_buffer(model, bound)
        operator.outputs = [shares]
        scaled = schema.OperatorT()
        scaled.opcodeIndex = operator_code(model, schema.BuiltinOperator.MUL)
        scaled.inputs, scaled.outputs = [shares, factors], [outputs]
        scaled.builtinOptionsType = schema.BuiltinOptions.MulOptions
        scaled.builtinOptions = schema.MulOptionsT()
        operators.append(scaled)
    graph.operators = operators


def append_activation(model: schema.ModelT, operator: str, name: str) -> None:
    """Has the only output go through an operation.

    Args:
        model: the graph.
        operator: `SOFTMAX` or `LOGISTIC`.
        name: of the output in the signature.
    """
    (graph,) = model.subgraphs
    (entry,) = model.signatureDefs[0].outputs
    logits = graph.tensors[entry.tensorIndex]
    last = schema.OperatorT()
    last.opcodeIndex = operator_code(model, getattr(schema.BuiltinOperator, operator))
    last.inputs = [entry.tensorIndex]
    entry.tensorIndex = add_tensor(graph, name.encode(), logits.shape, logits.type)
    entry.name = name.encode()
    last.outputs = graph.outputs = [entry.tensorIndex]
    if operator == "SOFTMAX":
        last.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
        last.builtinOptions = schema.SoftmaxOptionsT()
        last.builtinOptions.beta = 1.0
    graph.operators.append(last)


def _rows(name: str, value: np.ndarray) -> np.ndarray:
    return value.T if name.endswith("/kernel") else value


def _proportional(value: np.ndarray, kernel: np.ndarray) -> bool:
    """Returns whether one is the other with its columns scaled.

    The first two rows decide; one row says nothing but its length.
    """
    if value.shape != kernel.shape:
        return False
    if len(value) == 1:
        return True
    left, right = value[0] * kernel[1], value[1] * kernel[0]
    return bool(np.abs(left - right).max() <= 1e-5 * np.abs(left).max())


def _gathers_rows(
    model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT
) -> bool:
    if operator_name(model, operator) != "GATHER":
        return False
    options = operator.builtinOptions
    table = graph.tensors[operator.inputs[0]]
    value = constant(model, table)
    return (
        options.axis == 0
        and options.batchDims == 0
        and value is not None
        and value.ndim == 2
    )


def _reshape(
    model: schema.ModelT, graph: schema.SubGraphT, inputs: int, outputs: int
) -> schema.OperatorT:
    shape = np.asarray(graph.tensors[outputs].shape, np.int32)
    name = graph.tensors[outputs].name + b"/shape"
    sizes = add_tensor(graph, name, [len(shape)], schema.TensorType.INT32)
    graph.tensors[sizes].buffer = add_buffer(model, shape)
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.RESHAPE)
    operator.inputs, operator.outputs = [inputs, sizes], [outputs]
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = shape
    return operator
