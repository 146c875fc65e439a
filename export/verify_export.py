r"""Checks exported artifacts against the Keras model on held-out records.

Example:
    python -m export.verify_export \
        --checkpoint=build/demo/workdir --records_dir=build/demo/records/held_out \
        --saved_model_dir=build/demo/saved_model/1 \
        --tflite_file=build/demo/bert.tflite \
        --tflite_file=build/demo/bert_int8.tflite \
        --output_file=build/demo/verification.json

For each artifact: the largest difference of its logits from the Keras model's,
masked-LM and next-sentence accuracy on the same examples, size, and latency. The
SavedModel runs in a process that imports only tensorflow and tensorflow_text, the
TFLite files in LiteRT. Exits with 1 if a float32 artifact differs by more than 1e-4 or
a quantised one loses too much accuracy; the output file says by how much either way.
"""

import json
from collections.abc import Sequence

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Workdir or model folder that the artifacts were made from."
)
_SAVED_MODEL_DIR = flags.DEFINE_string(
    "saved_model_dir", None, "A SavedModel to check."
)
_TFLITE_FILES = flags.DEFINE_multi_string("tflite_file", [], "A TFLite file to check")
_RECORDS_DIR = flags.DEFINE_string(
    "records_dir",
    None,
    "Held-out records, as data_prep.create_pretraining_data writes.",
)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The JSON file to write.")
_MAX_EXAMPLES = flags.DEFINE_integer(
    "max_examples", 512, "Examples to compare on.", lower_bound=1
)
_TEXTS = flags.DEFINE_multi_string(
    "text", [], "A sentence with [MASK] for the SavedModel to fill"
)
_MAX_ACCURACY_DROP = flags.DEFINE_float(
    "max_accuracy_drop",
    0.01,
    "How much masked-LM accuracy a quantised artifact may lose, as a share of 1.",
)
_LATENCY_CALLS = flags.DEFINE_integer(
    "latency_calls", 50, "Timed calls with one example.", lower_bound=1
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads", 2, "Threads for the timed calls.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    """Runs all artifacts, writes the report, and fails if one is too far off."""
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.storage import files
    from export import pretrained

    if not _SAVED_MODEL_DIR.value and not _TFLITE_FILES.value:
        raise InputError("Name a --saved_model_dir, a --tflite_file, or several.")
    if _TEXTS.value and not _SAVED_MODEL_DIR.value:
        raise InputError("--text needs a --saved_model_dir: TFLite files take ids.")
    folder = resolve_checkpoint(str(_CHECKPOINT.value))

    from export import verification  # loads TensorFlow

    report = verification.verify(
        folder,
        pretrained.load_model(folder),
        records_dir=str(_RECORDS_DIR.value),
        saved_model_dir=_SAVED_MODEL_DIR.value,
        tflite_files=_TFLITE_FILES.value,
        texts=_TEXTS.value,
        max_examples=_MAX_EXAMPLES.value,
        latency_calls=_LATENCY_CALLS.value,
        num_threads=_NUM_THREADS.value,
        max_accuracy_drop=_MAX_ACCURACY_DROP.value,
    )
    files.write_text(str(_OUTPUT_FILE.value), json.dumps(report, indent=2) + "\n")
    print(verification.table(report))
    print(f"Wrote {_OUTPUT_FILE.value}")
    if report["failures"]:
        raise InputError(" ".join(report["failures"]))


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["checkpoint", "records_dir", "output_file"])


if __name__ == "__main__":
    cli()
