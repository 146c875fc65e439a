"""A checkpoint as a TFLite file: entries of the vocabulary in, logits out.

The signature `serving_default` takes int32 `input_ids`, `input_mask` and `segment_ids`
`[1, max_seq_length]` and `masked_lm_positions` `[1, max_predictions_per_seq]`. It
returns float32 `masked_lm_logits` `[1, max_predictions_per_seq, vocab]` and
`next_sentence_logits` `[1, 2]`.
"""

import tempfile
from typing import Any

import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer

QUANTIZATIONS = ("none", "dynamic_int8")


def convert(
    model: BertPretrainer,
    *,
    max_seq_length: int,
    max_predictions_per_seq: int,
    quantization: str,
) -> bytes:
    """Returns the model as the contents of a TFLite file.

    Args:
        model: built, with its weights.
        max_seq_length: entries of the one sequence that a call takes.
        max_predictions_per_seq: positions that a call predicts.
        quantization: `none` for float32, or `dynamic_int8` for weights in int8 whose
            products quantise their other operand as they run.

    Raises:
        InputError: no such quantisation.
    """
    if quantization not in QUANTIZATIONS:
        raise InputError(
            f"`quantization` must be one of {QUANTIZATIONS}. Received: {quantization!r}"
        )
    lengths = {
        "input_ids": max_seq_length,
        "input_mask": max_seq_length,
        "segment_ids": max_seq_length,
        "masked_lm_positions": max_predictions_per_seq,
    }
    module = _FixedShape(model, lengths)
    # Through a SavedModel: `from_concrete_functions` loses a Keras 3 model's weights.
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(module, directory, {"serving_default": module.predict})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            directory, signature_keys=["serving_default"]
        )
        if quantization == "dynamic_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


class _FixedShape(tf.Module):
    """One example of one length, which lets the converter fold every shape."""

    def __init__(self, model: BertPretrainer, lengths: dict[str, int]):
        super().__init__()
        self.model_variables = [variable.value for variable in model.variables]

        def predict(**inputs: tf.Tensor) -> dict[str, Any]:
            return model(inputs)

        self.predict = tf.function(predict).get_concrete_function(
            **{
                name: tf.TensorSpec([1, length], tf.int32, name=name)
                for name, length in lengths.items()
            }
        )
