r"""Writes texts with a passage of each, for a model to learn to look at what it reads.

    python -m bert_tf.draw_passages --input_file=articles.jsonl \
        --output_file=passages.jsonl

An encoder and a decoder that start from an encoder's weights learn from the file first,
and from summaries or translations after that: with few pairs, or short targets, they
hardly learn from those alone. Files are read as those to train on; a file of another
ending holds a text a line. Of a pair, such as question and context, both texts are
written, and the passage is one of the second.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

if TYPE_CHECKING:
    from bert_tf.labelled.examples import GenerationExample
    from bert_tf.labelled.report import LabelledReport

_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Texts: files, folders or globs, comma separated."
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", "", "Column that holds the text; found by its name if not given."
)
_OUTPUT_FILE = flags.DEFINE_string(
    "output_file",
    None,
    "The .jsonl, .csv or .parquet file to write; - for standard output.",
)
_READ_WORDS = flags.DEFINE_integer(
    "read_words",
    100,
    "How many of a text's first words passages are taken from: about as many as the "
    "model will read, three quarters of its data.max_seq_length.",
    lower_bound=1,
)
_MIN_WORDS = flags.DEFINE_integer("min_words", 8, "Of a passage.", lower_bound=1)
_MAX_WORDS = flags.DEFINE_integer("max_words", 24, "Of a passage.", lower_bound=1)
_SEED = flags.DEFINE_integer("random_seed", 12345, "Seed of the draws.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    from bert_tf.labelled.passages import draw_passage
    from bert_tf.labelled.report import LabelledReport
    from bert_tf.prediction import writing

    least, most, read = _MIN_WORDS.value, _MAX_WORDS.value, _READ_WORDS.value
    if not least <= most <= read:
        raise InputError(
            "--min_words must be at most --max_words, and that at most --read_words. "
            f"Received: {least}, {most} and {read}"
        )
    output, report = str(_OUTPUT_FILE.value), LabelledReport()
    count, short, has_pairs = 0, 0, False
    with writing.open_output(output) as writer:
        for example in _examples(report):
            passage = draw_passage(
                example.key[-1],
                read_words=read,
                min_words=least,
                max_words=most,
                seed=_SEED.value,
            )
            if passage is None:
                short += 1
                continue
            writer.write({**writing.inputs_of(example), "target": passage})
            has_pairs = example.text_pair is not None
            count += 1
        if not count:
            raise InputError(
                f"{_INPUT_FILE.value}: none of the {short:,} texts has {least} words, "
                "the least of a passage. Give a lower --min_words."
            )
    if output == "-":
        return
    print(f"Wrote passages of {count:,} texts to {output}; too short: {short:,}.")
    config = "question_answering" if has_pairs else "summarization"
    print(
        "Next: python -m bert_tf.run_finetuning "
        f"--config=configs/seq2seq_{config}.py --config.data.train={output} ..."
    )


def _examples(report: "LabelledReport") -> "Iterator[GenerationExample]":
    """Yields the texts, or pairs of texts, that are read."""
    from tqdm import tqdm

    from bert_tf.labelled.columns import ColumnNames
    from bert_tf.labelled.kinds import GENERATION
    from bert_tf.labelled.options import ReadOptions
    from bert_tf.labelled.reading import read_examples
    from bert_tf.storage.input_files import find_input_files

    options = ReadOptions(columns=ColumnNames(text=_TEXT_FIELD.value))
    inputs = find_input_files(str(_INPUT_FILE.value))
    total = sum(file.num_bytes for file in inputs)
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        for example in read_examples(GENERATION, inputs, options, report, False):
            yield example
            bar.update(report.num_bytes - bar.n)
        bar.update(report.num_bytes - bar.n)


def cli() -> None:
    """Starts the job from the command line."""
    jobs.run(main, required=["input_file", "output_file"])


if __name__ == "__main__":
    cli()
