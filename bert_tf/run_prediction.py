r"""Lets a trained model predict, for a file, standard input or texts.

    python -m bert_tf.run_prediction --checkpoint=runs/reviews \
        --input_file=new.csv --output_file=predictions.jsonl
    python -m bert_tf.run_prediction --checkpoint=runs/reviews --text="Well made."
    python -m bert_tf.run_prediction --checkpoint=all-MiniLM-L6-v2 --task=embedding \
        --input_file=texts.txt --output_file=vectors.npy

The checkpoint may also be a fine-tuned Hugging Face model, or of any other format that
bert_tf.convert_checkpoint reads. Files are read as in training, in the format that
their own ending says; a file of another ending, and standard input (--input_file=-),
hold a text a line. Predictions stand in the order of the input. Memory does not depend
on the size of the file.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs, memory

if TYPE_CHECKING:
    from bert_tf.prediction.answering import Answer
    from bert_tf.tasks.predicting_task import PredictingTask

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Workdir or model folder, or a model of another format."
)
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Files to predict on, comma separated; - for standard input."
)
_TEXTS = flags.DEFINE_multi_string("text", [], "A text to predict on.")
_OUTPUT_FILE = flags.DEFINE_string(
    "output_file",
    "-",
    "The .jsonl, .csv, .parquet or .npy file to write; - for standard output.",
)
_USE = flags.DEFINE_string(
    "task",
    None,
    "What to use the model for, in place of what it was trained for; embedding takes "
    "any encoder.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    32,
    "Texts of 64 tokens that run at once; more of shorter ones, fewer of longer ones.",
    lower_bound=1,
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "bfloat16"],
    "Of the products: bfloat16 is faster on some processors, slower on others, and "
    "changes the numbers a little.",
)

# Read together and sorted by length: enough for full batches of like lengths.
_CHUNK = 4096


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    from bert_tf.prediction.answering import answer_inputs

    output = str(_OUTPUT_FILE.value)
    count = answer_inputs(_load, _INPUT_FILE.value, _TEXTS.value, output, _CHUNK)
    if output != "-":
        print(f"Wrote {count:,} predictions to {output}.")


def _load() -> "tuple[PredictingTask, Answer]":
    memory.keep_memory()
    from bert_tf.prediction import predictor  # TensorFlow loads here, not for --help

    model = predictor.load(str(_CHECKPOINT.value), _USE.value, _PRECISION.value)
    return model.task, lambda chunk: model.predict_examples(chunk, _BATCH_SIZE.value)


def cli() -> None:
    """Starts the job from a command line."""
    jobs.run(main, required=["checkpoint"])


if __name__ == "__main__":
    cli()
