"""A checkpoint as a TFLite file: entries of the vocabulary in, the model's outputs out.

The signature `serving_default` takes one example: int32 `[1, length]` for each of the
task's inputs. Files of models that write have others: see `text_writing`.
"""

import os
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.models import named_variables
from bert_tf.storage.wildcards import without_wildcards
from export.checkpoint.pretrained import TrainedModel
from export.tflite import graph_changes, graph_file, quantizer, text_writing

_TABLE = "word_embeddings"


def convert(
    trained: TrainedModel,
    quantization: str,
    *,
    calibration: Sequence[Mapping[str, np.ndarray]] = (),
    keep_float: Collection[str] = (),
    allow_select_ops: bool = False,
    scratch_dir: str | os.PathLike[str] | None = None,
) -> bytes:
    """Returns a model as the contents of a TFLite file.

    Args:
        trained: the checkpoint and its model.
        quantization: how the weights are kept:

            - `none`: float32.
            - `float16`: half the size; CPUs widen them when the file is loaded.
            - `dynamic_int8`: int8, a scale for each output; products quantize their
              other operand as they run.
            - `int8`: int8 on both sides of products, the ranges found by calibration:
              for processors with integer units only.
            - `int4`: int4, a scale for every 64 values.
        calibration: for `int8`: inputs by name, one example each.
        keep_float: names of weights that stay float32.
        allow_select_ops: see `convert_float`.
        scratch_dir: see `convert_float`.

    Raises:
        InputError: no such quantization, too few examples, or an operation that
            phones lack.
    """
    content = convert_float(
        trained, allow_select_ops=allow_select_ops, scratch_dir=scratch_dir
    )
    ranges = quantizer.calibrate(content, quantization, calibration)
    return quantizer.quantize(
        content, quantization, ranges=ranges, keep_float=keep_float
    )


def convert_float(
    trained: TrainedModel,
    *,
    allow_select_ops: bool = False,
    scratch_dir: str | os.PathLike[str] | None = None,
) -> bytes:
    """Returns a model as the contents of a float32 TFLite file.

    Args:
        trained: the checkpoint and its model.
        allow_select_ops: whether operations outside of the built-in set may come in as
            TensorFlow's own, which applications then have to link.
        scratch_dir: where the SavedModel on the way stands meanwhile; None for the
            system's folder for such things, where a killed process leaves it.

    Raises:
        InputError: such an operation, and it was not asked for.
    """
    module: _FixedShape | text_writing.Signatures
    norms: dict[str, keras.Variable] = {}
    if text_writing.writes(trained):
        embeddings = text_writing.embeddings(trained.model)
        module = text_writing.Signatures(trained, _TABLE)
    else:
        embeddings = _embeddings(trained.model)
        # Of products that were trained in int8, each weight has to stay what it was.
        norms = _layer_norms(trained.model) if trained.ranges else {}
        module = _FixedShape(trained, embeddings, norms)
    # Through a SavedModel: `from_concrete_functions` loses a Keras 3 model's weights.
    with tempfile.TemporaryDirectory(dir=scratch_dir) as directory:
        tf.saved_model.save(module, directory, module.functions)
        with without_wildcards(Path(directory)) as readable:
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(readable), signature_keys=list(module.functions)
            )
            if allow_select_ops:
                converter.target_spec.supported_ops = [
                    tf.lite.OpsSet.TFLITE_BUILTINS,
                    tf.lite.OpsSet.SELECT_TF_OPS,
                ]
            try:
                content = converter.convert()
            except Exception as error:
                # The converter's exceptions are of a private class.
                raise _unsupported(error) from error
    graph = graph_file.read(content)
    if embeddings is not None:
        table = np.asarray(embeddings.effective_word_embeddings())
        graph_changes.fix_input(graph, _TABLE, table)
    for name, variable in norms.items():
        graph_changes.fix_input(graph, name, np.asarray(variable))
    graph_changes.bound_constants(graph)
    graph_changes.look_up_embeddings(graph)
    weights = {n: np.asarray(v) for n, v in named_variables(trained.model).items()}
    graph_changes.name_products(graph, weights)
    graph_changes.scale_outputs(
        graph,
        {
            name: np.array(each.bounds, np.float32)
            for name, each in trained.ranges.items()
            if each.bounds
        },
    )
    graph_changes.make_names_unique(graph)
    graph_file.share_buffers(graph)
    return graph_file.write(graph)


class _FixedShape(tf.Module):
    """One example of one length, which lets the converter fold every shape.

    The table of words passes the converter as an input: of a constant it makes a copy
    for the masked-LM head, scaled by the LayerNorm before it. So do variables of
    LayerNorms that must not scale the kernels behind them.
    """

    def __init__(
        self,
        trained: TrainedModel,
        embeddings: Embeddings | None,
        norms: Mapping[str, keras.Variable],
    ):
        super().__init__()
        model, task = trained.model, trained.task
        self.model_variables = [variable.value for variable in model.weights]
        specs = {
            name: tf.TensorSpec([1, length], tf.int32, name=name)
            for name, length in task.input_lengths(trained.max_seq_length).items()
        }
        if embeddings is not None:
            table = embeddings.effective_word_embeddings()
            specs[_TABLE] = tf.TensorSpec(table.shape, tf.float32, name=_TABLE)
        for name, variable in norms.items():
            specs[name] = tf.TensorSpec(variable.shape, tf.float32, name=name)

        def predict(**inputs: tf.Tensor) -> dict[str, Any]:
            fixed = [(variable, inputs.pop(name)) for name, variable in norms.items()]
            with (
                text_writing.looking_up_in(embeddings, inputs.pop(_TABLE, None)),
                keras.StatelessScope(state_mapping=fixed),
            ):
                return dict(task.serve_ids(model).function(inputs))

        predict = tf.function(predict).get_concrete_function(**specs)
        self.functions = {graph_file.SIGNATURE: predict}


def _embeddings(model: Any) -> Embeddings | None:
    """Returns the model's only embeddings, or None if it has none or several."""
    layers = (getattr(layer, "embeddings", None) for layer in (model, *model.layers))
    found = {id(each): each for each in layers if isinstance(each, Embeddings)}
    return next(iter(found.values())) if len(found) == 1 else None


def _layer_norms(model: Any) -> dict[str, keras.Variable]:
    """Returns the variables of a model's LayerNorms under names for inputs."""
    layers = [each for each in model._flatten_layers() if isinstance(each, LayerNorm)]
    return {
        f"layer_norm_{index}_{name}": getattr(layer, name)
        for index, layer in enumerate(layers)
        for name in ("gamma", "beta")
    }


def _unsupported(error: Exception) -> Exception:
    """Returns the error about operations that phones lack, or the one given."""
    named = re.search(r"(TF Select|Flex|Custom) ops: ([^\n]*)", str(error))
    if named is None:
        return error
    outside = f"These operations are outside of TFLite's built-in set: {named[2]}."
    if named[1] == "Custom":
        return InputError(f"{outside} Leave them out of the model: no phone has them.")
    return InputError(
        f"{outside} Leave them out of the model, or pass --allow_select_ops and link "
        "TensorFlow's own into the application, which adds megabytes to it."
    )
