"""Passages that a decoder learns to write first."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf.labelled.passages import draw_passage
from bert_tf.text.words import split_words

WORDS = {"read_words": 20, "min_words": 4, "max_words": 7}


@given(st.text(st.sampled_from("ab .,'漢é\U0001f600\u0301"), max_size=80))
def test_a_passage_stands_in_what_is_read(text):
    passage = draw_passage(text, seed=3, **WORDS)
    spans = [*split_words(text)][:20]
    if len(spans) < 4:
        assert passage is None
        return
    assert passage in {
        text[spans[start][0] : spans[min(start + 7, len(spans)) - 1][1]]
        for start in range(len(spans) - 3)
    }
    assert draw_passage(text, seed=3, **WORDS) == passage


def test_passages_begin_anywhere_and_end_with_what_is_read():
    text = " ".join(map(str, range(30)))
    drawn = [draw_passage(text, seed=seed, **WORDS).split() for seed in range(300)]
    assert {int(passage[0]) for passage in drawn} == set(range(17))
    for passage in drawn:
        start = int(passage[0])
        assert passage == [str(n) for n in range(start, min(start + 7, 20))]


@pytest.fixture
def run(tmp_path):
    def draw(*arguments, output="passages.jsonl"):
        path = tmp_path / output
        command = [sys.executable, "-m", "bert_tf.draw_passages"]
        command += [f"--output_file={path}", *arguments]
        return subprocess.run(command, capture_output=True, text=True), path

    return draw


def test_the_job_writes_what_a_run_reads(run, tmp_path):
    rows = [
        {"document": "One two three four five six seven eight nine.", "summary": "x"},
        {"document": "Too short.", "summary": "y"},
        {"document": '漢字漢字漢字漢字漢字 "quoted", with a\ttab', "summary": "z"},
    ]
    articles = tmp_path / "articles.jsonl"
    articles.write_text("\n".join(map(json.dumps, rows)))
    result, path = run(f"--input_file={articles}")
    assert result.returncode == 0, result.stderr
    assert f"Wrote passages of 2 texts to {path}; too short: 1." in result.stdout
    assert f"--config.data.train={path}" in result.stdout
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["text"] for row in written] == [rows[i]["document"] for i in (0, 2)]
    for row in written:
        expected = draw_passage(
            row["text"], read_words=100, min_words=8, max_words=24, seed=12345
        )
        assert row["target"] == expected
    before = path.read_bytes()
    run(f"--input_file={articles}")
    assert path.read_bytes() == before

    command = [sys.executable, "-m", "bert_tf.draw_passages"]
    result = subprocess.run(
        [*command, f"--input_file={articles}", "--output_file=-"], capture_output=True
    )
    assert result.stdout == before

    result, path = run(f"--input_file={articles}", "--min_words=60", output="none.csv")
    assert result.returncode != 0
    assert "--max_words, and that at most --read_words. Received: 60" in result.stderr
    result, path = run(
        *(f"--input_file={articles}", "--min_words=60", "--max_words=60"),
        output="none.csv",
    )
    assert result.returncode != 0
    assert "none of the 3 texts has 60 words" in result.stderr
    assert not path.exists()
    result, path = run(f"--input_file={articles}", output="none.txt")
    assert result.returncode != 0 and "the file's ending says which" in result.stderr


def test_of_pairs_the_second_text_has_the_passage(run, tmp_path):
    row = {"question": "What is this about?", "context": "One two three four five six."}
    (tmp_path / "answers.jsonl").write_text(json.dumps({**row, "answer": "Numbers"}))
    result, path = run(
        *(f"--input_file={tmp_path / 'answers.jsonl'}", "--min_words=7"),
        "--max_words=7",
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(path.read_text()) == {
        "text": row["question"],
        "text_pair": row["context"],
        "target": row["context"],
    }
    assert "--config=configs/seq2seq_question_answering.py" in result.stdout
