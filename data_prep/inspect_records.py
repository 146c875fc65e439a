"""Shows what is in a folder of records.

Prints examples in readable tokens and the statistics of the data set beside what they
should be. With --verify it also checks every file against its checksum and counts the
statistics again.

Example:
    python -m data_prep.inspect_records --input_dir=build/data/train --num_examples=2
"""

from collections.abc import Sequence
from pathlib import Path

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
    from data_prep import inspection

    directory = Path(_INPUT_DIR.value)
    info = inspection.load(directory)
    for line in inspection.describe_examples(directory, info, _NUM_EXAMPLES.value):
        print(line)
    for line in inspection.describe_statistics(info):
        print(line)
    if _VERIFY.value:
        inspection.verify(directory, info)
        print(
            f"Verified: {info.num_records:,} records in {len(info.shards)} files match "
            "their checksums, the schema and the statistics."
        )


def cli() -> None:
    """Runs the job."""
    jobs.run(main, required=["input_dir"])


if __name__ == "__main__":
    cli()
