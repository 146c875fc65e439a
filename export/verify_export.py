r"""Checks exported artifacts: as a server meets them, or on held-out examples.

Example:
    python -m export.verify_export models/bert

With a SavedModel and no --eval_data: the model's signatures, their agreement with the
checkpoint that it was exported from, its warm-up requests, and what it makes of invalid
ones. The folder is a version's or the model's, whose newest version is taken.

Example:
    python -m export.verify_export \
        --checkpoint=build/demo/workdir --eval_data=build/demo/records/held_out \
        --saved_model_dir=build/demo/saved_model/1 \
        --tflite_file=build/demo/bert.tflite \
        --tflite_file=build/demo/bert_int8.tflite \
        --output_file=build/demo/verification.json

For each artifact: the largest difference of its outputs from the Keras model's, the
task's metrics on the same examples, size, and latency. The SavedModel runs in a process
that imports only tensorflow and tensorflow_text, the TFLite files in LiteRT, and their
serve_text in a process that imports LiteRT and tensorflow_text. Exits with 1 if a
float32 artifact differs by more than 1e-4, a quantized one loses too much accuracy, or
texts get other answers than their ids; the output file says by how much either way.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

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
_EVAL_DATA = flags.DEFINE_string(
    "eval_data",
    None,
    "Held-out examples: for a pretrained model a folder of records, as "
    "data_prep.create_pretraining_data writes.",
)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The JSON file to write.")
_MAX_EXAMPLES = flags.DEFINE_integer(
    "max_examples", 512, "Examples to compare on, drawn at random.", lower_bound=1
)
_TEXTS = flags.DEFINE_multi_string(
    "text", [], "A sentence with [MASK] for the SavedModel to fill"
)
_MAX_ACCURACY_DROP = flags.DEFINE_float(
    "max_accuracy_drop",
    0.01,
    "How much of the task's main metric a quantized artifact may lose, as a share of "
    "1: masked-LM accuracy for a pretrained model.",
)
_LATENCY_CALLS = flags.DEFINE_integer(
    "latency_calls", 50, "Timed calls with one example.", lower_bound=1
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads", 2, "Threads for the timed calls.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    """Runs all artifacts, writes the report, and fails if one is too far off."""
    if _SAVED_MODEL_DIR.value and not _EVAL_DATA.value:
        _check_serving()
    else:
        _compare()


def _check_serving() -> None:
    from bert_tf.storage import files
    from bert_tf.storage.json_files import write_json

    for flag in (_TFLITE_FILES, _TEXTS):
        if flag.value:
            raise InputError(f"--{flag.name} needs --eval_data.")
    with contextlib.ExitStack() as stack:
        temporary = None
        if _OUTPUT_FILE.value:
            temporary = stack.enter_context(files.atomic_file(_OUTPUT_FILE.value))
        from export.check.backends import SavedModelBackend
        from export.saved_model import serving_check  # loads TensorFlow

        directory = serving_check.version_in(str(_SAVED_MODEL_DIR.value))
        description = serving_check.description_of(directory)
        trained = serving_check.load_checkpoint(description, _CHECKPOINT.value)
        # Runs it in a process that imports nothing of ours.
        with SavedModelBackend(directory, _NUM_THREADS.value) as served:
            report = serving_check.check(directory, trained, served)
        if temporary is not None:
            write_json(temporary, report)
    print("\n".join(serving_check.lines(report)))
    if _OUTPUT_FILE.value:
        print(f"Wrote {_OUTPUT_FILE.value}")
    if report["failures"]:
        raise InputError(" ".join(report["failures"]))


def _compare() -> None:
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.storage import files
    from bert_tf.storage.json_files import write_json
    from export.checkpoint import pretrained

    for flag in (_CHECKPOINT, _EVAL_DATA, _OUTPUT_FILE):
        if not flag.value:
            raise InputError(f"missing --{flag.name} (--help lists the flags)")
    if not _SAVED_MODEL_DIR.value and not _TFLITE_FILES.value:
        raise InputError("Name a --saved_model_dir, a --tflite_file, or several.")
    if _TEXTS.value and not _SAVED_MODEL_DIR.value:
        raise InputError("--text needs a --saved_model_dir, which answers it.")
    folder = resolve_checkpoint(str(_CHECKPOINT.value))

    # Entered before the work, so that a file that cannot be written is told at once.
    with files.atomic_file(str(_OUTPUT_FILE.value)) as temporary:
        from export.check import verification  # loads TensorFlow
        from export.saved_model import serving_check

        saved_model_dir = None
        if _SAVED_MODEL_DIR.value:
            saved_model_dir = serving_check.version_in(_SAVED_MODEL_DIR.value)
            trained = serving_check.load_as_exported(folder, saved_model_dir)
        else:
            trained = pretrained.load(folder)
        if trained.ranges and saved_model_dir is None:
            from export.check import litert, tflite_weights  # needs LiteRT

            for path in _TFLITE_FILES.value:
                litert.signatures(path)  # Refuses what is no file of ours.
            # Files that round as training did are compared with what it simulated.
            contents = [Path(path).read_bytes() for path in _TFLITE_FILES.value]
            if all(map(tflite_weights.rounds_activations, contents)):
                trained = pretrained.simulated(trained)
        report = verification.verify(
            trained,
            str(_EVAL_DATA.value),
            saved_model_dir=saved_model_dir,
            tflite_files=_TFLITE_FILES.value,
            texts=_TEXTS.value,
            settings=verification.Settings(
                max_examples=_MAX_EXAMPLES.value,
                latency_calls=_LATENCY_CALLS.value,
                num_threads=_NUM_THREADS.value,
                max_drop=_MAX_ACCURACY_DROP.value,
            ),
        )
        write_json(temporary, report)
    print(verification.table(report, trained.task.shown))
    print(f"Wrote {_OUTPUT_FILE.value}")
    if report["failures"]:
        raise InputError(" ".join(report["failures"]))


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, positional="saved_model_dir")


if __name__ == "__main__":
    cli()
