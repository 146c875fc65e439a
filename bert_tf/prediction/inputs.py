"""What the jobs that answer texts read: files, standard input, flags."""

from collections.abc import Iterator, Sequence

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Example, Place
from bert_tf.labelled.reading import read_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.values import unicode_text
from bert_tf.storage.input_files import find_input_files
from bert_tf.storage.lines import STDIN, read_lines
from bert_tf.tasks.predicting_task import PredictingTask


def read_inputs(
    task: PredictingTask, input_file: str | None, texts: Sequence[str]
) -> Iterator[Example]:
    """Yields examples for a task, without targets.

    Args:
        task: says how files and lines are read.
        input_file: files, comma separated; "-" for the lines of standard input.
        texts: given in place of a file.

    Raises:
        InputError: a text for a task that takes more, or a fault in a file, named.
    """
    kind, options = task.kind, task.read_options
    lines: Iterator[str] | None = None
    if texts:
        lines = iter(texts)
    elif input_file == "-":
        lines = read_lines(STDIN, LabelledReport(), "error")
    if lines is None:
        files = find_input_files(str(input_file))
        report = LabelledReport()
        yield from read_examples(kind, files, options, report, with_targets=False)
        return
    if kind.from_line is None:
        raise InputError(
            f"{kind.name} takes more than a text: give a file with --input_file."
        )
    for number, text in enumerate(lines, start=1):
        place = Place("input", number)
        yield kind.from_line(unicode_text(text, "text", place), place, options.language)
