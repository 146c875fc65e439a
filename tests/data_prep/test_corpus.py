"""Every input format, every compression, and what is wrong with input."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.storage import lines
from bert_tf.storage.input_files import find_input_files
from data_prep import corpus
from data_prep.corpus import CorpusOptions, read_documents
from data_prep.input_report import InputReport

ROOT = Path(__file__).parents[2]


def read(path, report=None, **options):
    report = report or InputReport()
    files = find_input_files(str(path))
    documents = list(read_documents(files, CorpusOptions(**options), report))
    assert report.num_documents == len(documents)
    assert report.num_sentences == sum(map(len, documents))
    assert report.num_files == len(files)
    assert report.num_bytes == sum(file.num_bytes for file in files)
    return documents


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TEXT = "\ufeffOne.\r\nTwo.\r\r\n\r\n Three. \n\n\n \t\nFour.\rFünf."
DOCUMENTS = [["One.", "Two."], ["Three."], ["Four.", "Fünf."]]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstd.compress),
        # Files written in turns, as by `cat a.gz b.gz`.
        (".gz", lambda text: gzip.compress(text[:9]) + gzip.compress(text[9:])),
        (".zst", lambda text: zstd.compress(text[:9]) + zstd.compress(text[9:])),
    ],
)
def test_sentences_compressed_or_not(tmp_path, suffix, compress):
    path = write(tmp_path / f"text.txt{suffix}", compress(TEXT.encode()))
    assert read(path) == DOCUMENTS


@given(
    st.lists(st.sampled_from(["a", "é", "\r", "\n", "\r\n", " ", "\u2028", "\x85"])),
    st.integers(1, 5),
)
@settings(max_examples=300, deadline=None)
def test_lines_do_not_depend_on_how_the_file_is_cut(tmp_path_factory, parts, size):
    content = "".join(parts)
    expected = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    path = write(tmp_path_factory.mktemp("cut") / "text.txt", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK_BYTES", size)
        found = list(lines.read_lines(path, InputReport(), "error"))
    assert found == (expected if expected[-1] else expected[:-1])


def test_files_end_documents_and_come_in_order(tmp_path):
    for name in ("b/2.txt", "b/10.txt", "a.txt", ".hidden", "_SUCCESS", "b/.git/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        write(tmp_path / name, name)
    assert read(tmp_path) == [["a.txt"], ["b/10.txt"], ["b/2.txt"]]
    assert read(f"{tmp_path}/b/2*, {tmp_path}/a.txt") == [["b/2.txt"], ["a.txt"]]
    assert read(f"{tmp_path}/**/*.txt") == read(tmp_path)
    # Named twice, read once.
    assert read(f"{tmp_path}/b/2.txt,{tmp_path}") == [
        ["b/2.txt"],
        ["a.txt"],
        ["b/10.txt"],
    ]


def test_names_with_commas_and_wildcards_are_read_back(tmp_path):
    folder = tmp_path / "a[1]*, b"
    for name in ("x,y.txt", "z?.txt", "z1.txt"):
        (folder / "c").mkdir(exist_ok=True, parents=True)
        write(folder / "c" / name, name)
    assert read(folder) == [["x,y.txt"], ["z1.txt"], ["z?.txt"]]
    assert read(f"{folder}/c/x,y.txt") == [["x,y.txt"]]
    assert read(f"{folder}/*/z?.txt") == [["z1.txt"], ["z?.txt"]]
    # What exists under the name is meant by it.
    assert read(f"{folder}/c/z?.txt") == [["z?.txt"]]
    assert read(f"{folder}/c/z1.txt, {folder}/c/x,y.txt,{folder}/c/z[?].txt") == [
        ["z1.txt"],
        ["x,y.txt"],
        ["z?.txt"],
    ]


def test_a_relative_glob(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.txt", "a")
    assert read("*.txt") == read("./*.txt") == [["a"]]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match="pipe.txt: must be a file"):
        read(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match=r"\*.txt: no such file, or no file matches"):
        read(f"{tmp_path}/*.txt")


def test_prose(tmp_path):
    text = (
        "Dr. Smith paid $3.50 to\nMr. Jones. He left at once.\n\n"
        "A heading\n\n这是第一句。这是第二句！\nهذا سؤال؟ نعم.\n"
    )
    assert read(write(tmp_path / "a.txt", text), input_format="prose") == [
        [
            "Dr. Smith paid $3.50 to Mr. Jones.",
            "He left at once.",
            "A heading",
            "这是第一句。",
            "这是第二句！",
            "هذا سؤال؟",
            "نعم.",
        ]
    ]


def test_prose_without_paragraphs(tmp_path):
    sentences = [f"This is sentence number {n} of them." for n in range(5000)]
    for separator in (" ", "\n"):
        path = write(tmp_path / "a.txt", separator.join(sentences))
        assert read(path, input_format="prose") == [sentences]


def test_prose_without_sentences(tmp_path):
    text = "word " * 20_000
    (parts,) = read(write(tmp_path / "a.txt", text), input_format="prose")
    assert " ".join(parts) == text.strip()
    (parts,) = read(write(tmp_path / "a.txt", "x" * 100_000), input_format="prose")
    assert "".join(parts) == "x" * 100_000


def test_json_lines(tmp_path):
    records = [
        {"text": "One. Two.\n\nThree.", "id": 1},
        {"id": 2, "text": ""},
        {"text": " \n"},
        {"text": "Vier Fünf \u2028"},
    ]
    content = "\n\n".join(json.dumps(record) for record in records)
    report = InputReport()
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(content.encode()))
    assert read(path, report) == [["One.", "Two.", "Three."], ["Vier Fünf"]]
    assert report.num_empty_documents == 2
    assert "left out 2 empty documents" in report.lines()
    path = write(tmp_path / "b.json", '{"body": "One."}')
    assert read(path, text_field="body") == [["One."]]


def write_parquet(path, column, values):
    table = pyarrow.table({column: values, "other": list(range(len(values)))})
    pyarrow.parquet.write_table(table, path, row_group_size=100)
    return path


def test_parquet(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", "text", ["One. Two.", ""] * 300)
    report = InputReport()
    assert read(path, report) == [["One.", "Two."]] * 300
    assert report.num_empty_documents == 300
    with pytest.raises(ValueError, match=r"a.parquet: no column 'body'.*\['text'"):
        read(path, text_field="body")
    write_parquet(path, "text", ["One.", None, "Two."])
    with pytest.raises(ValueError, match="row 2: no text in field 'text'"):
        read(path)
    report = InputReport()
    assert read(path, report, bad_input="skip") == [["One."], ["Two."]]
    assert report.skipped == {"no text in field 'text'": 1}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="not a Parquet file, or damaged"):
        read(path)


def test_a_changed_byte_of_parquet_is_found_by_its_checksum(tmp_path):
    table = pyarrow.table({"text": ["One sentence.", "And another."]})
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(
        table,
        path,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    write(path, path.read_bytes().replace(b"another", b"anether"))
    with pytest.raises(ValueError, match=f"{path}: not a Parquet file, or damaged"):
        read(path)


def test_parquet_without_its_extra(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "a.parquet", "text", ["One."])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs `pip install bert-tf\[parquet\]`"):
        read(path)


BAD_PLACES = [
    ("a.txt", b"One.\r\nTw\xffo.\nThree.", "line 2 .byte 8 of the text.: not UTF-8"),
    ("a.txt", b"One.\n\nTwo.\0\nThree.", "line 3 .byte 10 of the text.: a NUL"),
    ("a.txt", "\ufeffZwei\nf\xfcnf".encode("latin-1", "ignore"), "line 2.*not UTF-8"),
    ("a.txt", "One.".encode("utf-16"), "line 1 .byte 0 of the text.: not UTF-8"),
    ("a.jsonl", b'{"text": "One."}\n{"text": ', "line 2: not JSON"),
    ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
    ("a.jsonl", b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "line 1: not JSON"),
    (
        "a.jsonl",
        b'{"text": "One."}\n\n"text"',
        "line 3: no text in field.*received: str",
    ),
    ("a.jsonl", b'{"body": 1, "text": 2}', r"no text in .*received: .'body', 'text'"),
    ("a.jsonl", rb'{"text": "\ud800"}', "a NUL or a lone surrogate"),
    ("a.jsonl", rb'{"text": "a\u0000b"}', "a NUL or a lone surrogate"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_PLACES)
def test_bad_input_is_an_error_or_counted(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)
    write(tmp_path / "good.txt", "Good.")
    report = InputReport()
    files = find_input_files(str(tmp_path))
    documents = list(read_documents(files, CorpusOptions(bad_input="skip"), report))
    assert documents[-1] == ["Good."]
    assert report.skipped.total() == 1
    assert str(path) in report.lines()[-1]


def test_only_the_bad_line_is_left_out(tmp_path):
    content = b"One.\n\xff\r\nTwo.\rThree\0.\n\nFour."
    report = InputReport()
    path = write(tmp_path / "a.txt", content)
    assert read(path, report, bad_input="skip") == [["One.", "Two."], ["Four."]]
    assert report.skipped == {"not UTF-8": 1, "a NUL": 1}
    assert report.examples["a NUL"].endswith("line 4 (byte 18 of the text)")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gz", gzip.compress(b"One.\n" * 99, mtime=0)[:-9], "damaged or cut short"),
        ("a.bz2", bz2.compress(b"One.\n" * 99)[:-9], "damaged or cut short"),
        ("a.xz", lzma.compress(b"One.\n" * 99)[:-9], "damaged or cut short"),
        ("a.zst", zstd.compress(b"One.\n" * 99)[:-9], "damaged or cut short"),
        ("a.gz", b"One.", "damaged or cut short"),
        ("a.bz2", b"One. Two.", "not .bz2 data"),
        ("a.xz", b"One. Two. Three.", "damaged or cut short"),
        ("a.zst", b"One.", "damaged or cut short"),
        ("a.parquet", b"One.", "not a Parquet file"),
        ("a.txt", b"", "No document in .*: they are empty"),
        ("a.txt", b"\n \r\n\t", "No document in .*: they are empty"),
        ("a.jsonl", b'{"text": ""}', "No document in .*: left out 1 empty documents"),
    ],
)
def test_damaged_and_empty_files(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    # Never skipped: nobody knows what is missing.
    for bad_input in ("error", "skip"):
        with pytest.raises(ValueError, match=message) as error:
            read(path, bad_input=bad_input)
        assert str(path) in str(error.value)


def test_patterns_without_files(tmp_path):
    for pattern in ("none.txt", "*.txt", "", " , "):
        with pytest.raises(ValueError, match="no such file|No input files"):
            find_input_files(
                f"{tmp_path}/{pattern}" if pattern.strip(", ") else pattern
            )


def test_bad_options():
    with pytest.raises(ValueError, match="input_format` must be one of.*: 'csv'"):
        CorpusOptions(input_format="csv").validate()
    with pytest.raises(ValueError, match="bad_input` must be one of.*: 'ignore'"):
        CorpusOptions(bad_input="ignore").validate()


def test_a_very_long_document_comes_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "MAX_DOCUMENT_SENTENCES", 3)
    path = write(tmp_path / "a.txt", "1.\n2.\n3.\n4.\n5.\n6.\n7.\n\n8.\n9.\n10.\n")
    expected = [["1.", "2.", "3."], ["4.", "5.", "6."], ["7."], ["8.", "9.", "10."]]
    report = InputReport()
    assert read(path, report) == expected
    assert "split 1 very long documents" in report.lines()
    report = InputReport()
    parts = read(path, report, input_format="prose")
    assert [len(part) for part in parts] == [3] * (len(parts) - 1) + [len(parts[-1])]
    assert report.num_split_documents == 1


READER = """
import resource, sys
from bert_tf.storage.input_files import find_input_files
from data_prep.corpus import *
report = InputReport()
options = CorpusOptions(input_format=sys.argv[2], bad_input=sys.argv[3])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for document in read_documents(find_input_files(sys.argv[1]), options, report):
    pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024, report.num_sentences, dict(report.skipped))
assert "tensorflow" not in sys.modules
"""


def read_apart(path, input_format, bad_input):
    return subprocess.run(
        [sys.executable, "-c", READER, str(path), input_format, bad_input],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("input_format", "line"),
    [
        ("sentences", "This is a sentence.\n"),
        ("prose", "This is a sentence. And one more.\n"),
        ("jsonl", '{"text": "This is a sentence. And one more."}\n'),
    ],
)
def test_memory_does_not_follow_the_file(tmp_path, input_format, line):
    path = tmp_path / "long.txt"
    copies = 30 * 2**20 // len(line)
    path.write_text(line * copies)
    result = read_apart(path, input_format, "error")
    mebibytes, num_sentences = map(int, result.stdout.split()[:2])
    assert num_sentences == copies * line.count(".")
    assert mebibytes < 20, result.stdout


def test_a_line_of_100_megabytes(tmp_path):
    path = tmp_path / "long.txt"
    with open(path, "w") as stream:
        stream.write("First.\n")
        for _ in range(101):
            stream.write("no end of it " * 80_000)
        stream.write("\r\nLast.\n")
    result = read_apart(path, "sentences", "error")
    assert "long.txt: line 2 (byte 7 of the text): a line longer than" in result.stderr
    result = read_apart(path, "sentences", "skip")
    mebibytes = int(result.stdout.split()[0])
    assert result.stdout.split(maxsplit=1)[1] == "2 {'a line longer than 16 MiB': 1}\n"
    assert mebibytes < 100
