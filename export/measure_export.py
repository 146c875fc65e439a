r"""Measures exported files side by side: size, latency, memory.

    python -m export.measure_export --tflite_file=float32.tflite \
        --tflite_file=int8.tflite --saved_model_dir=models/bert/1 \
        --max_seq_length=128 --output_file=latency.json

Each file runs in a process of its own that imports its runtime only. The files take
turns, several rounds, so that what else the machine does befalls all of them; of each
the fastest call counts.
"""

import dataclasses
from collections.abc import Sequence

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

_TFLITE_FILES = flags.DEFINE_multi_string(
    "tflite_file", [], "A TFLite file to measure; may be given several times"
)
_SAVED_MODEL_DIRS = flags.DEFINE_multi_string(
    "saved_model_dir", [], "A SavedModel to measure; may be given several times"
)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The JSON file to write.")
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length", None, "Tokens of the example.", lower_bound=1
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads", 2, "Threads that a runtime may use.", lower_bound=1
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 3, "How often each file has its turn.", lower_bound=1
)
_CALLS = flags.DEFINE_integer(
    "calls", 30, "Timed calls with one example in a round.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    """Measures all files and writes what was found."""
    if not (_TFLITE_FILES.value or _SAVED_MODEL_DIRS.value):
        raise InputError("Name a --tflite_file, a --saved_model_dir, or several.")
    from bert_tf.storage import files
    from bert_tf.storage.json_files import write_json

    # Entered before the work, so that a file that cannot be written is told at once.
    with files.atomic_file(str(_OUTPUT_FILE.value)) as temporary:
        from export.check import measurement

        measured = [
            {
                "path": each.path,
                "num_bytes": each.num_bytes,
                **dataclasses.asdict(each.timings[0]),
            }
            for each in measurement.measure_in_turns(
                tflite_files=_TFLITE_FILES.value,
                saved_model_dirs=_SAVED_MODEL_DIRS.value,
                length=int(str(_MAX_SEQ_LENGTH.value)),
                num_threads=_NUM_THREADS.value,
                rounds=_ROUNDS.value,
                calls=_CALLS.value,
            )
        ]
        write_json(
            temporary,
            {
                "length": _MAX_SEQ_LENGTH.value,
                "num_threads": _NUM_THREADS.value,
                "calls": _CALLS.value * _ROUNDS.value,
                "files": measured,
            },
        )
    print(f"{'MB':>9}{'ms':>9}{'memory MB':>11}  file")
    for each in measured:
        print(
            f"{each['num_bytes'] / 1e6:9.2f}{each['best_ms']:9.2f}"
            f"{each['memory_mb']:11.1f}  {each['path']}"
        )
    print(f"Wrote {_OUTPUT_FILE.value}")


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["max_seq_length", "output_file"])


if __name__ == "__main__":
    cli()
