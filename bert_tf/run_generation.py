r"""Lets a trained model write, for a file, standard input or texts.

    python -m bert_tf.run_generation --checkpoint=runs/translation \
        --input_file=new.tsv --output_file=written.jsonl --num_beams=4
    python -m bert_tf.run_generation --checkpoint=runs/translation --text="Good day."
    python -m bert_tf.run_generation --checkpoint=runs/summaries \
        --input_file=new.jsonl \
        --output_file=written.jsonl --do_sample --top_p=0.9 --num_return_sequences=3

Files are read as in training; a file of another ending, and standard input
(--input_file=-), hold a text a line. What is written stands in the order of the input,
and does not depend on --batch_size. Memory does not depend on the size of the file.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from bert_tf.cli import jobs, memory

if TYPE_CHECKING:
    from bert_tf.prediction.answering import Answer
    from bert_tf.tasks.predicting_task import PredictingTask

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Workdir or model folder.")
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Files to write for, comma separated; - for standard input."
)
_TEXTS = flags.DEFINE_multi_string("text", [], "A text to write for.")
_OUTPUT_FILE = flags.DEFINE_string(
    "output_file",
    "-",
    "The .jsonl, .csv or .parquet file to write; - for standard output.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "Texts that run at once.", lower_bound=1
)
# What is not given stays at the default of `GenerationConfig`.
_SETTINGS: dict[str, flags.FlagHolder] = {
    "max_new_tokens": flags.DEFINE_integer(
        "max_new_tokens",
        None,
        "Tokens to write at most. By default what the model was trained to write.",
    ),
    "min_new_tokens": flags.DEFINE_integer(
        "min_new_tokens", None, "Tokens to write at least."
    ),
    "num_beams": flags.DEFINE_integer(
        "num_beams", None, "Hypotheses of a beam search; 1, for none, by default."
    ),
    "num_return_sequences": flags.DEFINE_integer(
        "num_return_sequences",
        None,
        "How many are written for each text; 1 by default.",
    ),
    "length_penalty": flags.DEFINE_float(
        "length_penalty", None, "Above 0 favors long texts; 1.0 by default."
    ),
    "early_stopping": flags.DEFINE_enum(
        "early_stopping",
        None,
        ["true", "false", "never"],
        "When a beam search ends; false by default.",
    ),
    "no_repeat_ngram_size": flags.DEFINE_integer(
        "no_repeat_ngram_size", None, "So many tokens in a row are not written twice."
    ),
    "repetition_penalty": flags.DEFINE_float(
        "repetition_penalty", None, "Above 1.0 what was written becomes less likely."
    ),
    "forbidden_words": flags.DEFINE_multi_string(
        "forbidden_word", None, "What must not be written."
    ),
    "forced_words": flags.DEFINE_multi_string(
        "forced_word", None, "What must be written."
    ),
    "do_sample": flags.DEFINE_boolean("do_sample", None, "Whether tokens are drawn."),
    "temperature": flags.DEFINE_float(
        "temperature", None, "Of draws: below 1.0 the likely gets likelier."
    ),
    "top_k": flags.DEFINE_integer(
        "top_k", None, "Draw from so many tokens, or compare them."
    ),
    "penalty_alpha": flags.DEFINE_float(
        "penalty_alpha",
        None,
        "Contrastive search among the top_k likeliest tokens: how much it counts, from "
        "0 to 1, that a token is like what came before.",
    ),
    "top_p": flags.DEFINE_float(
        "top_p", None, "Draw from the likeliest tokens that have this probability."
    ),
    "min_p": flags.DEFINE_float(
        "min_p",
        None,
        "Draw from what is this share as probable as the likeliest token.",
    ),
    "seed": flags.DEFINE_integer("seed", None, "Of draws; 0 by default."),
}
_EARLY_STOPPING = {"true": True, "false": False, "never": "never"}

# Read together and sorted by length: enough for full batches of like lengths.
_CHUNK = 1024


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    from bert_tf.prediction.answering import answer_inputs

    output, size = str(_OUTPUT_FILE.value), int(_BATCH_SIZE.value)
    chunk = -(-_CHUNK // size) * size
    count = answer_inputs(_load, _INPUT_FILE.value, _TEXTS.value, output, chunk)
    if output != "-":
        print(f"Wrote {count:,} texts' answers to {output}.")


def _load() -> "tuple[PredictingTask, Answer]":
    memory.keep_memory()
    from bert_tf.prediction import predictor  # TensorFlow loads here, not for --help

    model = predictor.load(str(_CHECKPOINT.value))
    generator = model.generator(**_settings())
    return model.task, lambda chunk: generator.run(chunk, _BATCH_SIZE.value)


def _settings() -> dict[str, Any]:
    """Returns what was given of the search's settings."""
    given = {
        name: flag.value for name, flag in _SETTINGS.items() if flag.value is not None
    }
    if "early_stopping" in given:
        given["early_stopping"] = _EARLY_STOPPING[given["early_stopping"]]
    return given


def cli() -> None:
    """Starts the job from a command line."""
    jobs.run(main, required=["checkpoint"])


if __name__ == "__main__":
    cli()
