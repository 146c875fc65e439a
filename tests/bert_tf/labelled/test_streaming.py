"""Memory does not follow the file, and standard input is a file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

READER = """
import resource, sys
from pathlib import Path
from bert_tf.labelled import kinds, reading
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.report import LabelledReport
from bert_tf.storage.input_files import InputFile

options = ReadOptions(input_format=sys.argv[2])
report = LabelledReport()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files = [InputFile(Path(sys.argv[1]), 0)]
for example in reading.read_examples(
    kinds.CLASSIFICATION, files, options, report, with_targets=False
):
    pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024, report.num_examples, report.num_bytes, example.text)
assert "tensorflow" not in sys.modules
"""


def read(path, input_format="auto", **keywords):
    return subprocess.run(
        [sys.executable, "-c", READER, str(path), input_format],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        **keywords,
    ).stdout.split(maxsplit=3)


TEXT = "This is a sentence, and one more. " * 20
LINE = {
    "a.csv": f'"{TEXT}",1\n',
    "a.jsonl": json.dumps({"text": TEXT}) + "\n",
    "a.json": json.dumps({"text": TEXT}) + ",\n",
    "a.txt": TEXT + "\n",
}


@pytest.mark.parametrize("name", LINE)
def test_memory_does_not_follow_the_file(tmp_path, name):
    begin, end = {"a.csv": ("text,label\n", ""), "a.json": ("[", '{"text": "."}]')}.get(
        name, ("", "")
    )
    path = tmp_path / name
    copies = 40 * 2**20 // len(LINE[name])
    path.write_text(begin + LINE[name] * copies + end)
    mebibytes, num_examples, num_bytes, _ = read(path)
    assert int(num_examples) == copies + (name == "a.json")
    assert int(num_bytes) == path.stat().st_size
    assert int(mebibytes) < 25


@pytest.mark.parametrize(
    ("input_format", "content"),
    [
        ("lines", "one\ntwo\n"),
        ("delimited", "text\none\ntwo\n"),
        ("json", '{"text": "one"}\n{"text": "two"}\n'),
    ],
)
def test_standard_input(input_format, content):
    _, num_examples, num_bytes, text = read("-", input_format, input=content)
    assert (num_examples, text) == ("2", "two\n")
    assert int(num_bytes) == len(content)
