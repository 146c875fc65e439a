"""A checkpoint as a TFLite file: entries of the vocabulary in, the model's outputs out.

The signature `serving_default` takes one example: int32 `[1, length]` for each of the
task's inputs.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.storage.wildcards import without_wildcards
from export.pretrained import TrainedModel

QUANTIZATIONS = ("none", "dynamic_int8")


def convert(
    trained: TrainedModel,
    quantization: str,
    *,
    scratch_dir: str | os.PathLike[str] | None = None,
) -> bytes:
    """Returns a model as the contents of a TFLite file.

    Args:
        trained: the checkpoint and its model.
        quantization: `none` for float32, or `dynamic_int8` for weights in int8 whose
            products quantise their other operand as they run.
        scratch_dir: where the SavedModel on the way stands meanwhile; None for the
            system's folder for such things, where a killed process leaves it.

    Raises:
        InputError: no such quantisation.
    """
    if quantization not in QUANTIZATIONS:
        raise InputError(
            f"`quantization` must be one of {QUANTIZATIONS}. Received: {quantization!r}"
        )
    module = _FixedShape(trained)
    # Through a SavedModel: `from_concrete_functions` loses a Keras 3 model's weights.
    with tempfile.TemporaryDirectory(dir=scratch_dir) as directory:
        tf.saved_model.save(module, directory, {"serving_default": module.predict})
        with without_wildcards(Path(directory)) as readable:
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(readable), signature_keys=["serving_default"]
            )
            if quantization == "dynamic_int8":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            return converter.convert()


class _FixedShape(tf.Module):
    """One example of one length, which lets the converter fold every shape."""

    def __init__(self, trained: TrainedModel):
        super().__init__()
        model, task = trained.model, trained.task
        self.model_variables = [variable.value for variable in model.weights]

        def predict(**inputs: tf.Tensor) -> dict[str, Any]:
            return dict(task.serve_ids(model).function(inputs))

        self.predict = tf.function(predict).get_concrete_function(
            **{
                name: tf.TensorSpec([1, length], tf.int32, name=name)
                for name, length in task.input_lengths(trained.max_seq_length).items()
            }
        )
