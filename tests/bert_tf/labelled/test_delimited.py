"""CSV and TSV: dialects, and what is ambiguous."""

import bz2
import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.errors import InputError
from bert_tf.labelled.delimited import DelimitedFile
from bert_tf.storage.lines import ReadReport


def rows(path, **options):
    file = DelimitedFile(path, ReadReport(), **options)
    return [(place.number, list(row.values())) for place, row in file.rows()]


FIELD = st.text(
    st.one_of(st.sampled_from("\",;\t\n|' é"), st.characters(codec="utf-8")).filter(
        lambda character: character not in "\r\0"
    ),
    max_size=12,
)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=8), st.sampled_from(",;\t|"))
@settings(max_examples=150, deadline=None)
def test_reads_what_the_standard_library_writes(tmp_path_factory, table, delimiter):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerows([("first", "second", "third"), *table])
    path.write_bytes(buffer.getvalue().encode())
    found = rows(path, quoting="standard")
    assert [tuple(row) for _, row in found] == table
    # A row is where its first line is.
    starts = [3 + "".join(row).count("\n") for row in table]
    expected = [2]
    for row in table:
        expected.append(expected[-1] + 1 + "".join(row).count("\n"))
    assert [line for line, _ in found] == expected[: len(table)]
    del starts


@pytest.mark.parametrize(
    ("name", "content", "note", "first"),
    [
        ("a.csv", "text,label\na;b,c\n", "commas, quotes enclose", ["a;b", "c"]),
        ("a.csv", "text;label\na,b;c\n", "semicolons, quotes enclose", ["a,b", "c"]),
        ("a.tsv", "text\tlabel\n'a'\t\"c\"\n", "tabs, quotes enclose", ["'a'", "c"]),
        ("a.tsv", 'text\tlabel\n"a\tc\nd\te"\n', "tabs, quotes are text", ['"a', "c"]),
        ("a.tsv", 'text\tlabel\n"a" b\tc\n', "tabs, quotes are text", ['"a" b', "c"]),
        # A quoted field over two lines, so quotes enclose.
        ("a.tsv", 'text\tlabel\n"a\nb"\tc\n', "quotes enclose", ["a\nb", "c"]),
        ("a.tsv", "text,label\na,c\n", "commas", ["a", "c"]),
        ("a.csv", "\ufeff text , label \r\na,c\r\n\r\n", "commas", ["a", "c"]),
        (
            "a.csv.gz",
            gzip.compress(b"text,label\na,c\n", mtime=0),
            "commas",
            ["a", "c"],
        ),
        ("a.tsv.bz2", bz2.compress(b"text\tlabel\na\tc\n"), "tabs", ["a", "c"]),
        ("a.csv", "text\nonly\n", "commas", ["only"]),
        ("a.tab", "c\tt\nd\tstring\nclass\t\n\na\tb\n", "tabs", ["a", "b"]),
        ("a.tab", "c\tt\nd\ts\n", "tabs", ["d", "s"]),
    ],
)
def test_dialects(write, name, content, note, first):
    path = write(name, content)
    file = DelimitedFile(path, ReadReport())
    assert note in file.dialect.note()
    assert list(next(file.rows())[1].values()) == first
    if "text" in file.columns:
        assert file.columns in (["text", "label"], ["text"])


def test_columns_without_a_header(write):
    file = DelimitedFile(write("a.csv", "3,a\n4,b\n"), ReadReport(), header=False)
    assert file.columns == ["1", "2"]
    assert [row for _, row in file.rows()] == [
        {"1": "3", "2": "a"},
        {"1": "4", "2": "b"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv: empty"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3: 3 fields, where the first .* has 2"),
        ("a.csv", "a,b\n1\n", "line 2: 1 fields"),
        ("a.csv", "a,a\n1,2\n", "names column 'a' twice"),
        ("a.csv", 'a,b\n1,2\n"3" x,4\n', "line 3: a quote opens.*up to line 3"),
        # The quote of line 3 is closed by that of line 5.
        ("a.csv", 'a,b\n1,2\n"3,4\n5,6\n7,"8\n', "line 3: a quote.*up to line 5"),
        ("a.csv", 'a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote.*up to line 4.*quoting=no"),
        ("a.csv", b"a,b\n1,caf\xe9\n", "line 2 .byte 9 of the text.: not UTF-8"),
        ("a.csv", "a,b\n1,2".encode("utf-16"), "line 1.*not UTF-8"),
        (
            "a.csv.gz",
            gzip.compress(b"a,b\n" * 99, mtime=0)[:-9],
            "damaged or cut short",
        ),
    ],
)
def test_bad_files(write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError, match=message) as error:
        rows(path)
    assert str(path) in str(error.value)


def test_the_limit_of_fields_is_given_back(write):
    before = csv.field_size_limit()
    long = "x" * 2 * before
    assert rows(write("a.csv", f"a,b\n{long},1\n")) == [(2, [long, "1"])]
    assert csv.field_size_limit() == before
