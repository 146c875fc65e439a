"""Files and what is read from them."""

import pytest

from bert_tf.labelled.columns import ColumnNames
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.reading import load_examples, read_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.storage.input_files import find_input_files


@pytest.fixture
def write(tmp_path):
    """`write(name, content) -> path`."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def load():
    """`load(kind, path, **columns and options) -> examples, report lines`."""

    def load(kind, path, *, with_targets=True, **settings):
        names = {"input_format", "quoting", "bad_tags", "language"} & set(settings)
        options = {name: settings.pop(name) for name in names}
        options = ReadOptions(columns=ColumnNames(**settings), **options)
        report = LabelledReport()
        arguments = (kind, find_input_files(str(path)), options, report)
        if with_targets:
            examples = load_examples(*arguments)
        else:
            examples = list(read_examples(*arguments, with_targets=False))
        return examples, report.lines()

    return load
