"""From a float32 TFLite file to one with smaller weights.

Only matrix products and the table of words are quantized: all weights are theirs. What
stands between them (normalization, softmax, GELU) is cheap, sensitive, and in float32
fast on every phone.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_tf.checkpoints import quantization_ranges
from bert_tf.compression.int8_products import MIN_ELEMENTS
from bert_tf.errors import InputError
from export.check import tflite_weights
from export.tflite import graph_file
from export.tflite.quantizations import CALIBRATED, QUANTIZATIONS

try:
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.recipe_manager import RecipeManager
except ImportError:
    raise InputError(
        "Quantizing a TFLite file needs ai-edge-quantizer: pip install "
        "'bert-tf[mobile]'"
    ) from None

MIN_CALIBRATION_EXAMPLES = 8

Ranges = Mapping[str, Any]
"""What is known of each tensor, by name: of calibration, or of training."""

_PRODUCT = qtyping.TFLOperationName.FULLY_CONNECTED
_TABLE = qtyping.TFLOperationName.EMBEDDING_LOOKUP
_Tensor = qtyping.TensorQuantizationConfig
_INT8 = _Tensor(num_bits=8, granularity=qtyping.QuantGranularity.CHANNELWISE)
# Width that the blocks must divide -> how values share a scale.
_INT4 = {
    size: _Tensor(num_bits=4, granularity=granularity)
    for size, granularity in (
        (64, qtyping.QuantGranularity.BLOCKWISE_64),
        (32, qtyping.QuantGranularity.BLOCKWISE_32),
        (1, qtyping.QuantGranularity.CHANNELWISE),
    )
}
_FLOAT16 = _Tensor(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)


def calibrate(
    content: bytes, quantization: str, examples: Sequence[Mapping[str, np.ndarray]]
) -> Ranges:
    """Returns the ranges that `quantize` needs, an empty dictionary if it needs none.

    Args:
        content: a float32 file of `export.tflite.converter`.
        quantization: see `export.tflite.converter.convert`.
        examples: inputs of the signature by name, one example each.

    Raises:
        InputError: no such quantization, or too few examples.
    """
    if quantization not in CALIBRATED:
        return {}
    if len(examples) < MIN_CALIBRATION_EXAMPLES:
        raise InputError(
            f"{quantization} needs at least {MIN_CALIBRATION_EXAMPLES} examples to "
            "calibrate with, some hundred for ranges that hold. Received: "
            f"{len(examples)}"
        )
    with _quietly():
        work = quantizer.Quantizer(bytearray(content), _recipe(content, quantization))
        given = {graph_file.SIGNATURE: list(map(dict, examples))}
        return work.calibrate(given, num_threads=2)


def trained_ranges(content: bytes, ranges: quantization_ranges.Ranges) -> Ranges:
    """Returns the ranges that quantization-aware training found, for `quantize`.

    Args:
        content: a float32 file of `export.tflite.converter`.
        ranges: of the checkpoint that it was made from.

    Raises:
        InputError: they are of another model.
    """
    graph = graph_file.read(content)
    tensors = graph.subgraphs[0].tensors
    found: dict[str, Any] = {}
    for _, operator in graph_file.products(graph):
        weight = tensors[operator.inputs[1]].name.decode()
        if (
            graph_file.operator_name(graph, operator) != _PRODUCT
            or weight not in ranges
        ):
            continue
        around = ranges[weight]
        for index, known in (
            (operator.inputs[0], around.inputs),
            (operator.outputs[0], around.outputs),
        ):
            # As calibration shapes them.
            shape = [1] * len(tensors[index].shape)
            limits = {
                "min": np.full(shape, known.minimum, np.float32),
                "max": np.full(shape, known.maximum, np.float32),
            }
            if found.setdefault(tensors[index].name.decode(), limits) != limits:
                raise InputError(
                    f"The ranges of what `{weight}` is multiplied by are not those of "
                    "the other products of the same tensor. They are of another model."
                )
    lacking = [
        weight.name
        for weight in tflite_weights.weights(content)
        if weight.operator == _PRODUCT
        and weight.size >= MIN_ELEMENTS
        and weight.name not in ranges
    ]
    if lacking:
        raise InputError(
            f"Training left no ranges for {len(lacking)} weights, the first of them "
            f"`{lacking[0]}`. They are of another model, or the vocabulary is a part "
            "of what the model scores, which int8 training does not support."
        )
    return found


def quantize(
    content: bytes,
    quantization: str,
    *,
    ranges: Ranges | None = None,
    keep_float: Collection[str] = (),
) -> bytes:
    """Returns a file with its weights quantized.

    Args:
        content: a float32 file of `export.tflite.converter`.
        quantization: see `export.tflite.converter.convert`.
        ranges: what `calibrate` returned.
        keep_float: names of weights to leave alone.

    Raises:
        InputError: no such quantization, or no weight to quantize.
    """
    if quantization not in QUANTIZATIONS:
        raise InputError(
            f"`quantization` must be one of {tuple(QUANTIZATIONS)}. "
            f"Received: {quantization!r}"
        )
    if quantization == "none":
        return content
    with _quietly():
        recipe = _recipe(content, quantization, keep_float)
        result = quantizer.Quantizer(bytearray(content), recipe).quantize(
            ranges or None, enable_progress_bar=False, enable_progress_report=False
        )
    # It puts values behind the flatbuffer, where older runtimes do not look.
    graph = graph_file.read(bytes(result.quantized_model))
    graph_file.share_buffers(graph)
    return graph_file.write(graph)


def _recipe(
    content: bytes, quantization: str, keep_float: Collection[str] = ()
) -> qtyping.ModelQuantizationRecipe:
    recipes = RecipeManager()
    weights = tflite_weights.weights(content)
    for weight in weights:
        if weight.name in keep_float or weight.size < MIN_ELEMENTS:
            continue
        recipes.add_quantization_config(
            f"^{re.escape(weight.output)};$",
            qtyping.TFLOperationName(weight.operator),
            *_config(quantization, weight),
        )
    recipe = recipes.get_quantization_recipe()
    if not recipe:
        raise InputError(
            f"{quantization}: nothing is left to quantize. Of {len(weights)} weights "
            f"{len(keep_float)} are to stay float32, and the others are of fewer than "
            f"{MIN_ELEMENTS:,} values."
        )
    return recipe


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Holds back progress bars, notes, and a warning that calibrating takes memory."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)


def _config(
    quantization: str, weight: tflite_weights.Weight
) -> tuple[qtyping.OpQuantizationConfig, AlgorithmName]:
    """Returns how one weight is quantized."""
    if quantization == "float16":
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=_FLOAT16,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        return config, AlgorithmName.FLOAT_CASTING
    kept, activations = _INT8, None
    if quantization == "int4":
        kept = next(c for size, c in _INT4.items() if weight.shape[1] % size == 0)
    if quantization == "int8" and not weight.is_table:
        activations = _Tensor(
            num_bits=8,
            symmetric=False,
            granularity=qtyping.QuantGranularity.TENSORWISE,
        )
    config = qtyping.OpQuantizationConfig(
        activation_tensor_config=activations,
        weight_tensor_config=kept,
        compute_precision=qtyping.ComputePrecision.INTEGER,
    )
    return config, AlgorithmName.MIN_MAX_UNIFORM_QUANT
