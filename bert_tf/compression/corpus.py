"""The texts that say what a model will meet: plain text, or a task's files."""

import sys
from collections.abc import Iterator

from tqdm import tqdm

from bert_tf.labelled.columns import ColumnNames
from bert_tf.labelled.kinds import TEXTS
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.reading import SUFFIX_FORMATS, read_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.storage.input_files import content_suffix, find_input_files
from bert_tf.tasks.predicting_task import PredictingTask


def read_texts(
    patterns: str, task: PredictingTask, text_field: str, report: LabelledReport
) -> Iterator[str]:
    """Yields every text of files: of a pair both, of a question its context too.

    Args:
        patterns: files, folders or globs, comma separated.
        task: says how tables and the like are read.
        text_field: the column or field to read in place of the task's; "" for those.
        report: counts what is read.

    Raises:
        InputError: no such file, or a fault in one, named.
    """
    files = find_input_files(patterns)
    total = sum(file.num_bytes for file in files)
    named = ReadOptions(columns=ColumnNames(text=text_field))
    with tqdm(
        desc="Counting entries", total=total, unit="B", unit_scale=True, file=sys.stderr
    ) as bar:
        for file in files:
            kind, options = task.kind, task.read_options
            is_plain = content_suffix(file.path) not in SUFFIX_FORMATS
            if text_field or (is_plain and kind.from_line is None):
                kind, options = TEXTS, named
            for example in read_examples(kind, [file], options, report, False):
                yield from example.key
                bar.update(report.num_bytes - bar.n)
        bar.update(report.num_bytes - bar.n)
