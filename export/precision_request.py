"""What may be asked of an export's precision; needs no TensorFlow."""

from bert_tf.errors import InputError

PRECISIONS = ("float32", "bfloat16", "int8", "auto")

_NO_INT8 = (
    "--precision=int8: a SavedModel would not be faster with it. TensorFlow's stock "
    "kernels multiply int8 only where the ranges of all activations were measured "
    "beforehand, and to make floats of int8 weights at each call takes longer than it "
    "saves. A TFLite file is faster with them: python -m export.export_tflite "
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
