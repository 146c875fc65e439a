"""What may be asked of an export's precision; needs no TensorFlow."""

from bert_tf.errors import InputError

PRECISIONS = ("float32", "bfloat16", "int8", "auto")

_NO_INT8 = (
    "--precision=int8 is not offered for a SavedModel: TensorFlow's products of int8 "
    "want the ranges of the activations, which this export does not measure. A TFLite "
    "file has such weights: python -m export.export_tflite "
    "--quantization=dynamic_int8. A smaller SavedModel: --precision=bfloat16."
)


def check(requested: str, *, has_eval_data: bool) -> None:
    """Refuses what cannot be had, before any work.

    Raises:
        InputError: int8, or bfloat16 without examples to measure it on.
    """
    if requested == "int8":
        raise InputError(_NO_INT8)
    if requested == "bfloat16" and not has_eval_data:
        raise InputError(
            "--precision=bfloat16 changes the answers: name held-out examples with "
            "--eval_data, so that it is known by how much."
        )
