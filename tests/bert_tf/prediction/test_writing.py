"""Predictions in each format, read back by the format's own library."""

import csv
import json

import numpy as np
import pytest

from bert_tf.errors import InputError
from bert_tf.prediction import writing
from bert_tf.prediction.writing import check_name, open_writer

ROWS = [
    {"text": "Grün, «blau»", "embedding": [0.5, -1.0, 2.0]},
    {"text": "zwei", "embedding": [1.5, 0.0, 3.0]},
]


def write(path, rows=ROWS):
    with open_writer(path, str(path)) as writer:
        for row in rows:
            writer.write(row)
    return path


def test_json_lines(tmp_path):
    lines = write(tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_csv(tmp_path):
    with write(tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{**r, "embedding": json.loads(r["embedding"])} for r in rows] == ROWS


PAIR = [{"text": "one"}, {"text": "two\n2", "text_pair": "three"}, {"text": "four"}]


def test_csv_of_fields_that_later_rows_have(tmp_path):
    file = write(tmp_path / "a.csv", PAIR)
    expected = 'text,text_pair\r\none,\r\n"two\n2",three\r\nfour,\r\n'
    assert file.read_bytes().decode() == expected
    assert write(tmp_path / "b.csv", []).read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("rows_at_once", [2, 3])
def test_parquet_of_fields_that_later_rows_have(tmp_path, monkeypatch, rows_at_once):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(writing, "_PARQUET_ROWS", rows_at_once)
    found = parquet.read_table(write(tmp_path / "a.parquet", PAIR)).to_pylist()
    assert found == [{"text_pair": None, **row} for row in PAIR]


def test_npy(tmp_path):
    array = np.load(write(tmp_path / "a.npy"))
    assert array.dtype == np.float32
    assert array.tolist() == [row["embedding"] for row in ROWS]
    assert np.load(write(tmp_path / "b.npy", [])).shape == (0, 0)
    assert np.load(write(tmp_path / "c.npy", ROWS * 3000), mmap_mode="r").shape == (
        6000,
        3,
    )


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = ROWS * 3000
    assert parquet.read_table(write(tmp_path / "a.parquet", rows)).to_pylist() == rows
    assert parquet.read_table(write(tmp_path / "b.parquet", [])).num_rows == 0


@pytest.mark.parametrize(
    ("empty", "full"),
    [
        ({"labels": []}, {"labels": ["a"]}),
        ({"start": None}, {"start": 3}),
        ({"found": []}, {"found": [{"text": "a", "start": None}]}),
        ({"found": [{"start": None}]}, {"found": [{"start": 3}]}),
    ],
)
def test_parquet_of_types_that_later_rows_say(tmp_path, monkeypatch, empty, full):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(writing, "_PARQUET_ROWS", 2)
    rows = [{"text": "x", **row} for row in [empty] * 5 + [full] * 3 + [empty]]
    assert parquet.read_table(write(tmp_path / "a.parquet", rows)).to_pylist() == rows
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_what_no_file_holds(tmp_path):
    with pytest.raises(InputError, match="written as .jsonl, .csv, .parquet or"):
        check_name("predictions.xlsx")
    with pytest.raises(InputError, match="holds a vector a text"):
        write(tmp_path / "a.npy", [{"text": "a", "label": "b"}])
