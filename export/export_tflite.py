r"""Writes a checkpoint as a TFLite file for phones: token ids in, logits out.

Example:
    python -m export.export_tflite \
        --checkpoint=build/demo/workdir --output_file=build/demo/bert_int8.tflite \
        --quantization=dynamic_int8

The checkpoint is a training workdir (its newest checkpoint is taken), one of its
checkpoints (`WORKDIR/checkpoints/best`), or a folder that `bert_tf.convert_checkpoint`
wrote. The file takes one example of a fixed length a call.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Workdir or model folder.")
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The TFLite file to write.")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization",
    "none",
    ["none", "dynamic_int8"],
    "none: float32. dynamic_int8: int8 weights, a quarter of the size.",
)
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Tokens of an example, padding included. By default what the model was trained "
    "with.",
)
_MAX_PREDICTIONS = flags.DEFINE_integer(
    "max_predictions_per_seq",
    None,
    "Positions predicted in an example, of a pretrained model. By default what it was "
    "trained with.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    """Loads the checkpoint, converts it and writes the file."""
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.storage import files
    from export import pretrained

    folder = resolve_checkpoint(str(_CHECKPOINT.value))
    folder.task.checked_max_seq_length(
        folder.config.max_position_embeddings, _MAX_SEQ_LENGTH.value
    )
    # Entered before the work, so that a folder that cannot be written is told at once.
    with files.atomic_file(str(_OUTPUT_FILE.value)) as temporary:
        from export import card, tflite, tflite_weights  # loads TensorFlow

        trained = pretrained.load(
            folder,
            _MAX_SEQ_LENGTH.value,
            max_predictions_per_seq=_MAX_PREDICTIONS.value,
        )
        content = tflite.convert(
            trained, _QUANTIZATION.value, scratch_dir=temporary.parent
        )
        temporary.write_bytes(content)
    path = Path(str(_OUTPUT_FILE.value))
    weights = "float32" if _QUANTIZATION.value == "none" else "int8"
    card_path = path.with_name(f"{path.name}.README.md")
    card.write(
        card_path, trained, name=path.name, made=f"a TFLite file with {weights} weights"
    )
    products = tflite_weights.product_weights(content)
    num_int8 = sum(weight.dtype == "INT8" for weight in products)
    print(
        f"Wrote {_OUTPUT_FILE.value}: {len(content) / 1e6:.1f} MB, step {folder.step} "
        f"of {folder.path}, {trained.max_seq_length} tokens an example; "
        f"{num_int8} of {len(products)} matrix products with int8 weights. Its model "
        f"card is {card_path}."
    )
    print(
        jobs.next_command(
            "export.verify_export",
            checkpoint=_CHECKPOINT.value,
            tflite_file=_OUTPUT_FILE.value,
            eval_data="HELD_OUT_DATA",
            output_file="verification.json",
        )
    )


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["checkpoint", "output_file"])


if __name__ == "__main__":
    cli()
