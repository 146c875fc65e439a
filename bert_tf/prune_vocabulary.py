r"""Leaves the vocabulary entries that a corpus never uses out of a model.

    python -m bert_tf.prune_vocabulary --checkpoint=all-MiniLM-L6-v2 \
        --input_file='texts/*.txt' --output_dir=models/minilm_pruned
    python -m bert_tf.prune_vocabulary --checkpoint=runs/reviews \
        --input_file=train.csv,unlabelled.txt --keep_file=words.txt \
        --output_dir=models/reviews_pruned

On the texts of the corpus the new model answers as before, to the bit; on others a
word whose entry is gone is split into shorter ones. What that comes to is estimated
on a tenth of the texts. The checkpoint may be of any format that
bert_tf.convert_checkpoint reads; what is written is a model folder like any other. CSV,
JSON and Parquet files are read as for the model's task, others as a text a line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

if TYPE_CHECKING:
    from bert_tf.checkpoints.conversion import ModelWeights
    from bert_tf.compression.vocabulary import Estimate

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Workdir or model folder, or a model of another format."
)
_INPUT_FILE = flags.DEFINE_string(
    "input_file",
    None,
    "Texts as the model will meet them: files, folders or globs, comma separated.",
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field",
    "",
    "Field or column that holds the text; found by its name if not given.",
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "The model folder to create.")
_MIN_COUNT = flags.DEFINE_integer(
    "min_count",
    1,
    "The fewest uses of an entry that stays. Over 1, words of the corpus whose entries "
    "go are split in another way.",
    lower_bound=1,
)
_KEEP_FILE = flags.DEFINE_string(
    "keep_file", None, "Words or texts, a line each, that are split as before too."
)


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    checkpoint, output_dir = str(_CHECKPOINT.value), Path(str(_OUTPUT_DIR.value))
    input_file = str(_INPUT_FILE.value)
    from bert_tf.checkpoints import conversion
    from bert_tf.storage import files

    files.check_local(output_dir)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise InputError(f"{output_dir} already exists. Delete it or name another.")
    weights = conversion.load_any(checkpoint)
    from bert_tf.compression import corpus, entry_uses, vocabulary  # Loads TensorFlow.
    from bert_tf.labelled.report import LabelledReport
    from bert_tf.tasks.catalog import create_predicting_task

    whole = vocabulary.check_prunable(weights, checkpoint)
    always = vocabulary.entries_of_added_tokens(weights)
    if _KEEP_FILE.value:
        always |= vocabulary.entries_of(
            _lines(_KEEP_FILE.value), whole, _KEEP_FILE.value
        )
    report = LabelledReport()
    task = create_predicting_task(weights.task, whole)
    texts = corpus.read_texts(input_file, task, _TEXT_FIELD.value, report)
    uses = entry_uses.count_uses(texts, whole)
    uses.check_any(input_file)

    min_count = _MIN_COUNT.value
    kept = vocabulary.choose_entries(whole, uses.total, min_count, always)
    pruned = vocabulary.prune(weights, kept)
    pruned.history.append(
        f"Of {len(whole):,} vocabulary entries kept {len(kept):,}, those that "
        f"{uses.num_texts:,} texts of {input_file} use, at --min_count={min_count}."
    )
    conversion.save(pruned, output_dir, "native")

    for line in report.lines():
        print(line)
    before, after = _megabytes(weights), _megabytes(pruned)
    print(
        f"Entries: {len(kept):,} of {len(whole):,}; weights: {after:,.1f} of "
        f"{before:,.1f} MB; they cover {uses.share_covered(kept):.2%} of the "
        "texts' tokens"
    )
    _print_estimate(vocabulary.estimate(uses, min_count, always))
    print("Records written with the old vocabulary fit no more: write them anew.")
    print(f"Wrote {output_dir}")
    print(
        jobs.next_command(
            "export.export_tflite", checkpoint=output_dir, output_file="FILE.tflite"
        )
    )


def _print_estimate(found: "Estimate | None") -> None:
    if found is None:
        print("Too few texts to hold some out and say how unseen ones are split.")
        return
    print(
        "Unseen texts, estimated with the entries that nine tenths of the texts use, "
        f"on the {found.before.num_words:,} words of the others:"
    )
    print(f"  {found.same:.2%} of the words are split as before")
    for name, fit in (("before", found.before), ("after", found.after)):
        print(
            f"  {name + ':':8}{fit.pieces_per_word:.4f} tokens a word, "
            f"{fit.unknown_rate:.4%} of the words [UNK]"
        )


def _lines(path: str) -> Iterator[str]:
    from bert_tf.storage.files import check_regular
    from bert_tf.storage.lines import ReadReport, read_lines

    check_regular(path)
    return read_lines(Path(path), ReadReport(), "error")


def _megabytes(weights: "ModelWeights") -> float:
    return sum(array.nbytes for array in weights.variables.values()) / 1e6


def cli() -> None:
    """Starts the job from the command line."""
    jobs.run(main, required=["checkpoint", "input_file", "output_dir"])


if __name__ == "__main__":
    cli()
