"""Shows what is in a folder of records.

Prints examples in readable tokens and the statistics of the data set beside what they
should be. With --verify it also checks every file against its checksum and counts the
statistics again.

Example:
    python -m data_prep.inspect_records --input_dir=build/data/train --num_examples=2
"""

from collections.abc import Sequence

from absl import flags

from bert_tf.cli import jobs

_INPUT_DIR = flags.DEFINE_string("input_dir", None, "The folder of records.")
_NUM_EXAMPLES = flags.DEFINE_integer(
    "num_examples", 3, "Examples to print.", lower_bound=0
)
_VERIFY = flags.DEFINE_bool(
    "verify", False, "Reads every record and checks all there is to check."
)


def main(argv: Sequence[str]) -> None:
    """Prints the inspection."""
    del argv
    assert _INPUT_DIR.value
    from bert_tf.data.dataset import Dataset
    from data_prep import inspection

    dataset = Dataset.open(_INPUT_DIR.value)
    for line in inspection.describe_examples(dataset, _NUM_EXAMPLES.value):
        print(line)
    for line in inspection.describe_statistics(dataset.info):
        print(line)
    if _VERIFY.value:
        inspection.verify(dataset)
        print(
            f"Verified: {dataset.num_records:,} records in "
            f"{len(dataset.record_paths)} files match their checksums, the schema and "
            "the statistics."
        )


def cli() -> None:
    """Runs the job."""
    jobs.run(main, required=["input_dir"])


if __name__ == "__main__":
    cli()
