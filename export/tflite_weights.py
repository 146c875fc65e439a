"""Which weights of a TFLite file are quantised, read from the file itself."""

import dataclasses

from bert_tf.errors import InputError

try:
    from ai_edge_litert import schema_py_generated as schema
except ImportError:
    raise InputError(
        "Reading a TFLite file needs LiteRT: pip install 'bert-tf[mobile]'"
    ) from None

_PRODUCTS = {
    schema.BuiltinOperator.FULLY_CONNECTED: "FULLY_CONNECTED",
    schema.BuiltinOperator.BATCH_MATMUL: "BATCH_MATMUL",
}
_DTYPES = {value: name for name, value in vars(schema.TensorType).items()}


@dataclasses.dataclass(frozen=True)
class ProductWeight:
    """The constant operand of a matrix product.

    Attributes:
        operator: `FULLY_CONNECTED` or `BATCH_MATMUL`.
        dtype: `FLOAT32` or `INT8`.
        shape: of the weight.
    """

    operator: str
    dtype: str
    shape: tuple[int, ...]


def product_weights(content: bytes) -> list[ProductWeight]:
    """Lists the constant matrices of a TFLite file's matrix products.

    Products of two activations, such as attention scores, have none. Biases are left
    out: they stay float32 under dynamic-range quantisation.

    Args:
        content: of the file.

    Source: `tensorflow/compiler/mlir/lite/schema/schema.fbs`.
    """
    model = schema.Model.GetRootAs(content, 0)
    found = []
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for position in range(graph.OperatorsLength()):
            operator = graph.Operators(position)
            code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
            if code not in _PRODUCTS:
                continue
            for slot in range(2):
                tensor = graph.Tensors(operator.Inputs(slot))
                if model.Buffers(tensor.Buffer()).DataLength():
                    shape = tuple(int(size) for size in tensor.ShapeAsNumpy())
                    found.append(
                        ProductWeight(_PRODUCTS[code], _DTYPES[tensor.Type()], shape)
                    )
    return found
