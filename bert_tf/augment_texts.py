r"""Writes variants of texts, in which a masked LM has replaced words.

    python -m bert_tf.augment_texts --checkpoint=models/bert \
        --input_file=reviews.csv --output_file=more.txt

They are for a student to learn from without labels: bert_tf.run_finetuning with
--config.distillation.unlabelled=more.txt. The checkpoint needs a masked-LM head; it may
be of any format that bert_tf.convert_checkpoint reads. Variants of a text follow each
other, a line each; a text that has no other variant than itself has none. Pairs of
texts become pairs, in a .jsonl, .csv or .parquet file.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs, memory
from bert_tf.errors import InputError

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A pretrained model.")
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Texts: files, folders or globs, comma separated."
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", "", "Column that holds the text; found by its name if not given."
)
_OUTPUT_FILE = flags.DEFINE_string(
    "output_file",
    None,
    "The file to write: .jsonl, .csv or .parquet; of another ending, a text a line.",
)
_COPIES = flags.DEFINE_integer("copies", 20, "Variants of a text.", lower_bound=1)
_REPLACE_SHARE = flags.DEFINE_float(
    "replace_share", 0.4, "Probability that a word is replaced.", 0.0, 1.0
)
_CANDIDATES = flags.DEFINE_integer(
    "candidates", 15, "Likeliest words that one is drawn from.", lower_bound=1
)
_SEED = flags.DEFINE_integer("random_seed", 12345, "Seed of the draws.", lower_bound=0)

# Texts whose words are masked and predicted together.
_CHUNK = 256


# What keeps the texts of a pair apart: no word goes on behind it.
_BREAK = "\n"


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    output = str(_OUTPUT_FILE.value)
    texts = _texts()
    count = 0
    with _open_output(output, has_pairs=any(_BREAK in text for text in texts)) as write:
        memory.keep_memory()
        # TensorFlow loads here, not for --help.
        from bert_tf.compression.augmentation import WordReplacer
        from bert_tf.prediction import predictor

        model = predictor.load(
            str(_CHECKPOINT.value), "pretraining", top_k=_CANDIDATES.value
        )
        replacer = WordReplacer(
            model,
            replace_share=_REPLACE_SHARE.value,
            copies=_COPIES.value,
            seed=_SEED.value,
        )
        for start in range(0, len(texts), _CHUNK):
            for variants in replacer.variants(texts[start : start + _CHUNK]):
                for variant in variants:
                    write(variant)
                count += len(variants)
    print(f"Wrote {count:,} variants of {len(texts):,} texts to {output}.")
    print(
        "Next: python -m bert_tf.run_finetuning "
        f"--config.distillation.unlabelled={output} ..."
    )


def _texts() -> list[str]:
    """Returns the texts, each in a line, or in two if they are pairs."""
    from bert_tf.labelled.columns import ColumnNames
    from bert_tf.labelled.kinds import TEXTS
    from bert_tf.labelled.options import ReadOptions
    from bert_tf.labelled.reading import read_examples
    from bert_tf.labelled.report import LabelledReport
    from bert_tf.storage.input_files import find_input_files

    options = ReadOptions(columns=ColumnNames(text=_TEXT_FIELD.value))
    inputs = find_input_files(str(_INPUT_FILE.value))
    examples = [
        example
        for example in read_examples(TEXTS, inputs, options, LabelledReport(), False)
        if not example.is_empty
    ]
    if len({len(example.key) for example in examples}) > 1:
        raise InputError(
            f"{_INPUT_FILE.value}: holds both single texts and pairs of texts. Write "
            "the variants of each by a command of its own."
        )
    return [
        _BREAK.join(" ".join(text.split()) for text in example.key)
        for example in examples
    ]


@contextlib.contextmanager
def _open_output(output: str, has_pairs: bool) -> Iterator[Callable[[str], object]]:
    """Opens the output; yields what writes a variant into it."""
    from bert_tf.labelled.reading import SUFFIX_FORMATS
    from bert_tf.prediction import writing
    from bert_tf.storage import files
    from bert_tf.storage.input_files import content_suffix

    if content_suffix(Path(output)) in SUFFIX_FORMATS:
        columns = ("text", "text_pair")[: 1 + has_pairs]
        with writing.open_output(output) as writer:
            yield lambda variant: writer.write(
                dict(zip(columns, variant.split(_BREAK), strict=True))
            )
        return
    if has_pairs:
        raise InputError(
            "--output_file must be a .jsonl, .csv or .parquet file: the texts of "
            f"{_INPUT_FILE.value} are pairs. Received: {output}"
        )
    with files.atomic_file(output) as path, path.open("w", encoding="utf-8") as file:
        yield lambda variant: file.write(f"{variant}\n")


def cli() -> None:
    """Starts the job from the command line."""
    jobs.run(main, required=["checkpoint", "input_file", "output_file"])


if __name__ == "__main__":
    cli()
