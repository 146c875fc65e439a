"""What a TFLite file's weights are, read from the file itself."""

import collections
import dataclasses
import math
from collections.abc import Collection, Iterator

from bert_tf.errors import InputError

try:
    from ai_edge_litert import schema_py_generated as schema
except ImportError:
    raise InputError(
        "Reading a TFLite file needs LiteRT: pip install 'bert-tf[mobile]'"
    ) from None

# Operator -> at which inputs a weight may stand.
_WEIGHTED = {"FULLY_CONNECTED": (1,), "BATCH_MATMUL": (0, 1), "EMBEDDING_LOOKUP": (1,)}
_DTYPES = {value: name for name, value in vars(schema.TensorType).items()}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items()}


@dataclasses.dataclass(frozen=True)
class Weight:
    """The constant matrix that an operator multiplies by or looks up in.

    Attributes:
        name: of the weight, in files of `export.tflite.converter` the checkpoint's.
        output: name of what the operator makes.
        operator: `FULLY_CONNECTED`, `BATCH_MATMUL` or `EMBEDDING_LOOKUP`.
        dtype: `FLOAT32`, `FLOAT16`, `INT8` or `INT4`.
        shape: of the weight.
        num_bytes: how much of the file it takes.
        is_table: whether anything looks up in it.
    """

    name: str
    output: str
    operator: str
    dtype: str
    shape: tuple[int, ...]
    num_bytes: int
    is_table: bool = False

    @property
    def size(self) -> int:
        """How many values it has."""
        size = 1
        for each in self.shape:
            size *= each
        return size


def weights(content: bytes) -> list[Weight]:
    """Lists the weights of a TFLite file's products and look-ups.

    A weight that several operators share is listed for each. Products of two
    activations, such as attention scores, have none. Biases are left out: they stay
    float32, or int32 in calibrated products.

    Args:
        content: of the file.

    Source: `tensorflow/compiler/mlir/lite/schema/schema.fbs`.
    """
    model = schema.Model.GetRootAs(content, 0)
    found = []
    tables = set()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        # float16 weights are widened before the product.
        widened = {}
        for name, operator in _operators(model, graph):
            if name == "DEQUANTIZE":
                widened[operator.Outputs(0)] = operator.Inputs(0)
            for slot in _WEIGHTED.get(name, ()):
                place = operator.Inputs(slot)
                tensor = graph.Tensors(widened.get(place, place))
                buffer = model.Buffers(tensor.Buffer())
                # Large files may keep values behind the flatbuffer.
                length = buffer.DataLength() or buffer.Size()
                if not length:
                    continue
                if name == "EMBEDDING_LOOKUP":
                    tables.add(tensor.Buffer())
                weight = Weight(
                    name=tensor.Name().decode(),
                    output=graph.Tensors(operator.Outputs(0)).Name().decode(),
                    operator=name,
                    dtype=_DTYPES[tensor.Type()],
                    shape=tuple(int(size) for size in tensor.ShapeAsNumpy()),
                    num_bytes=length,
                )
                found.append((weight, tensor.Buffer()))
    return [
        dataclasses.replace(weight, is_table=buffer in tables)
        for weight, buffer in found
    ]


def integer_share(content: bytes) -> float:
    """Returns which share of a file's multiplications has int8 or int4 weights.

    The products of two activations in attention count too, which are float32.

    Args:
        content: of the file.
    """
    model = schema.Model.GetRootAs(content, 0)
    total = integer = 0
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for name, operator in _operators(model, graph):
            if name not in ("FULLY_CONNECTED", "BATCH_MATMUL"):
                continue
            first, second = (graph.Tensors(operator.Inputs(slot)) for slot in (0, 1))
            made = graph.Tensors(operator.Outputs(0))
            # Of either product the first operand's last axis is summed over.
            products = math.prod(made.ShapeAsNumpy()) * int(first.ShapeAsNumpy()[-1])
            total += products
            if _DTYPES[second.Type()] in ("INT8", "INT4"):
                integer += products
    return integer / total


def operator_counts(content: bytes) -> dict[str, int]:
    """Returns how often each operator stands in a file, the commonest first."""
    model = schema.Model.GetRootAs(content, 0)
    graphs = map(model.Subgraphs, range(model.SubgraphsLength()))
    names = [name for graph in graphs for name, _ in _operators(model, graph)]
    return dict(collections.Counter(names).most_common())


def rounds_activations(content: bytes) -> bool:
    """Returns whether a file's products have int8 inputs of fixed ranges."""
    return "QUANTIZE" in operator_counts(content)


def summary(
    content: bytes, *, keep_float: Collection[str] = (), min_elements: int = 0
) -> str:
    """Returns lines about what of a file is quantized, what is not, and why.

    Args:
        content: of the file.
        keep_float: names of weights that were to stay float32.
        min_elements: smaller weights were left alone.
    """
    by_name = {weight.name: weight for weight in weights(content)}
    kinds, sizes = collections.Counter[str](), collections.Counter[str]()
    for weight in by_name.values():
        kinds[weight.dtype] += 1
        sizes[weight.dtype] += weight.num_bytes
    lines = [
        f"{count} weights in {dtype.lower()}, {sizes[dtype] / 1e6:.2f} MB"
        for dtype, count in kinds.items()
    ]
    if set(kinds) != {"FLOAT32"}:
        for weight in by_name.values():
            if weight.dtype != "FLOAT32":
                continue
            reason = f"fewer than {min_elements:,} values"
            if weight.name in keep_float:
                reason = "asked for by --keep_float, or found sensitive"
            shape = " x ".join(map(str, weight.shape))
            lines.append(f"  float32 stayed {weight.name} [{shape}]: {reason}")
    others = len(content) - sum(sizes.values())
    lines.append(
        f"all else (norms, biases, positions, the graph): {others / 1e6:.2f} MB"
    )
    counts = operator_counts(content)
    lines.append(
        "operations: " + ", ".join(f"{name} {count}" for name, count in counts.items())
    )
    return "\n".join(lines)


def _operators(
    model: schema.Model, graph: schema.SubGraph
) -> Iterator[tuple[str, schema.Operator]]:
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = _OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name == "CUSTOM":
            name = code.CustomCode().decode()
        yield name, operator
