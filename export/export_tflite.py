r"""Writes a checkpoint as a TFLite file for phones: token ids in, logits out.

Example:
    python -m export.export_tflite \
        --checkpoint=build/demo/workdir --output_file=build/demo/bert_int8.tflite \
        --quantization=dynamic_int8 --eval_data=build/demo/records/held_out

The checkpoint is a training workdir (its newest checkpoint is taken), one of its
checkpoints (`WORKDIR/checkpoints/best`), or a folder that `bert_tf.convert_checkpoint`
wrote. The file takes one example of a fixed length a call. With --eval_data it is
measured beside the checkpoint, and written only if it loses little enough.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs
from export.tflite.quantizations import QUANTIZATIONS

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Workdir or model folder.")
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The TFLite file to write.")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization",
    "none",
    list(QUANTIZATIONS),
    "none: float32. float16: half the size. dynamic_int8: int8 weights, a quarter of "
    "the size, and the fastest on CPUs. int8: activations too, calibrated on "
    "--calibration_data. int4: int4 weights, an eighth of the size.",
)
_CALIBRATION_DATA = flags.DEFINE_string(
    "calibration_data",
    None,
    "For int8: examples like those that the model will see, a labelled file or a "
    "folder of records; the first 128 are used. A checkpoint that was trained for int8 "
    "needs none.",
)
_EVAL_DATA = flags.DEFINE_string(
    "eval_data",
    None,
    "Held-out examples to measure the file on: a labelled file, or a folder of "
    "records for a pretrained model.",
)
_MAX_METRIC_DROP = flags.DEFINE_float(
    "max_metric_drop",
    0.005,
    "How much of the task's main metric the file may lose on --eval_data, as a share "
    "of 1. A file that loses more is not written.",
)
_MAX_EXAMPLES = flags.DEFINE_integer(
    "max_examples",
    512,
    "Examples of --eval_data to measure on, drawn at random.",
    lower_bound=1,
)
_KEEP_FLOAT = flags.DEFINE_multi_string(
    "keep_float",
    None,
    "Part of the names of weights that stay float32, such as layer_0/attention. By "
    "default those that --eval_data shows to be sensitive, if the file loses too much",
)
_ALLOW_SELECT_OPS = flags.DEFINE_bool(
    "allow_select_ops",
    False,
    "Whether operations that TFLite lacks may come in as TensorFlow's own, which the "
    "application has to link.",
)
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Tokens of an example, padding included. By default what the model was trained "
    "with.",
)
_MORE_LENGTHS = flags.DEFINE_multi_integer(
    "more_lengths",
    [],
    "A shorter length that the file takes too, in a signature of its own such as "
    "tokens_64, in which short texts take less time. The weights stand once",
)
_MAX_PREDICTIONS = flags.DEFINE_integer(
    "max_predictions_per_seq",
    None,
    "Positions predicted in an example, of a pretrained model. By default what it was "
    "trained with.",
    lower_bound=1,
)
_MEDIAPIPE = flags.DEFINE_bool(
    "mediapipe",
    False,
    "Whether MediaPipe's and the Task Library's text tasks are to open the file: it "
    "carries the vocabulary and the labels, and its answers are probabilities.",
)
_TEXT_INPUT = flags.DEFINE_bool(
    "text_input",
    False,
    "Whether the file takes text, too, in a signature serve_text, for applications "
    "that register three of TensorFlow Text's operations. For tasks that answer for a "
    "text, or a pair of texts, as a whole.",
)

_REPORT_DIR = flags.DEFINE_string(
    "report_dir",
    None,
    "Where report.html goes: size, latency by threads and length, memory, and where "
    "the time goes, beside float32. Takes minutes, since other lengths are exported.",
)


def main(argv: Sequence[str]) -> None:
    """Loads the checkpoint, converts it and writes the file."""
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.errors import InputError
    from bert_tf.storage import files
    from bert_tf.storage.json_files import write_json
    from export.checkpoint import pretrained

    folder = resolve_checkpoint(str(_CHECKPOINT.value))
    positions = folder.config.max_position_embeddings
    folder.task.checked_max_seq_length(positions, _MAX_SEQ_LENGTH.value)
    if _MAX_PREDICTIONS.value and folder.task.name != "pretraining":
        raise InputError(
            "--max_predictions_per_seq is for pretrained models, which fill [MASK]s. "
            f"Received: a model of {folder.task.name}. Leave it out."
        )
    # Entered before the work, so that a folder that cannot be written is told at once.
    with files.atomic_file(str(_OUTPUT_FILE.value)) as temporary:
        from export.checkpoint import card  # loads TensorFlow
        from export.tflite import description, exporter, text_input, text_writing
        from export.tflite.settings import Settings

        trained = pretrained.load(
            folder,
            _MAX_SEQ_LENGTH.value,
            max_predictions_per_seq=_MAX_PREDICTIONS.value,
        )
        exported = exporter.export(
            trained,
            Settings(
                quantization=_QUANTIZATION.value,
                calibration_data=_CALIBRATION_DATA.value,
                eval_data=_EVAL_DATA.value,
                max_metric_drop=_MAX_METRIC_DROP.value,
                max_examples=_MAX_EXAMPLES.value,
                keep_float=_KEEP_FLOAT.value,
                allow_select_ops=_ALLOW_SELECT_OPS.value,
                mediapipe=_MEDIAPIPE.value,
                more_lengths=_MORE_LENGTHS.value,
                text_input=_TEXT_INPUT.value,
                report_dir=_REPORT_DIR.value,
            ),
            temporary.parent,
        )
        temporary.write_bytes(exported.content)
    path = Path(str(_OUTPUT_FILE.value))
    description_path = path.with_name(path.name + description.SUFFIX)
    described = description.describe(trained, exported.texts, text_input.OPERATIONS)
    write_json(description_path, described)
    weights = QUANTIZATIONS[_QUANTIZATION.value]
    card_path = path.with_name(f"{path.name}.README.md")
    card.write(
        card_path, trained, name=path.name, made=f"a TFLite file with {weights} weights"
    )
    print(exported.summary)
    if exported.measured:
        print(exported.measured)
    print(
        f"Wrote {_OUTPUT_FILE.value}: {len(exported.content) / 1e6:.1f} MB, step "
        f"{folder.step} of {folder.path}, {trained.max_seq_length} tokens an example. "
        f"Its model card is {card_path}; what applications need is in "
        f"{description_path}."
    )
    if _REPORT_DIR.value:
        print(f"Its report is {Path(_REPORT_DIR.value) / 'report.html'}.")
    # What verify_export asks with is as long as training's, and answered at once.
    as_trained = trained.max_seq_length == folder.task.checked_max_seq_length(positions)
    if as_trained and not text_writing.writes(trained):
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
