"""Labelled examples to fine-tune on, in each of their formats."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bert_tf.labelled import kinds, reading
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.report import LabelledReport
from bert_tf.storage.input_files import find_input_files
from readers.corpora import split_lines
from readers.reader import Parts, Reader
from readers.vocabulary import WORDS

REVIEWS = [
    {
        "text": f"The {word}, \u5fc3 and so \u2013 on {n}",
        "label": ("good", "bad")[n % 2],
    }
    for n, word in enumerate(WORDS)
]
SENTENCES = "Anna\tB-PER\nBell\tI-PER\nlives\tO\nin\tO\nCaf\u00e9\tB-LOC\n\n" * 6
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "A",
            "paragraphs": [
                {
                    "context": "Anna Bell lives in a caf\u00e9 by the sea.",
                    "qas": [
                        {
                            "id": f"q{n}",
                            "question": "Who?",
                            "answers": [{"text": "Anna Bell", "answer_start": 0}],
                            "is_impossible": False,
                        }
                    ],
                }
                for n in range(4)
            ],
        }
    ],
}


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(text.encode()) and None


def write_parquet(folder: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(REVIEWS)
    path = folder / "a.parquet"
    pyarrow.parquet.write_table(table, path, write_page_checksum=True)


def as_csv(delimiter: str) -> str:
    stream = io.StringIO()
    rows = csv.DictWriter(stream, ["text", "label"], delimiter=delimiter)
    rows.writeheader()
    rows.writerows(REVIEWS)
    return stream.getvalue()


def read(kind: kinds.Kind[Any], *fields: str) -> Callable[[Path], Parts]:
    def read_fields(folder: Path) -> Parts:
        files = find_input_files(str(folder))
        examples = reading.load_examples(kind, files, ReadOptions(), LabelledReport())
        rows = [tuple(getattr(e, field) for field in fields) for e in examples]
        return {"examples": rows}

    return read_fields


def reviews_say(records: Iterable[dict[str, Any]]) -> Parts:
    """Numbers are texts and labels too, null is an empty text."""
    rows = [(record["text"], record["label"]) for record in records]
    texts = [("" if a is None else str(a), str(b).strip()) for a, b in rows]
    return {"examples": [row for row in texts if row[0].strip()]}


def json_lines_say(folder: Path) -> Parts:
    lines = split_lines((folder / "a.jsonl").read_bytes())
    return reviews_say(json.loads(line) for line in lines if line.strip())


def json_says(folder: Path) -> Parts:
    return reviews_say(json.loads((folder / "a.json").read_bytes()))


def csv_says(delimiter: str) -> Callable[[Path], Parts]:
    def says(folder: Path) -> Parts:
        (path,) = folder.iterdir()
        lines = re.split("\r\n|\r|\n", path.read_bytes().decode("utf-8-sig"))
        stream = io.StringIO("\n".join(lines), newline="")
        return reviews_say(csv.DictReader(stream, delimiter=delimiter))

    return says


def conll_says(folder: Path) -> Parts:
    text = "\n".join(split_lines((folder / "a.conll").read_bytes()))
    sentences = [
        [re.split("[ \t]+", line.strip(" \t")) for line in lines.splitlines()]
        for lines in re.split(r"\n(?:\s*\n)+", text)
        if lines.strip()
    ]
    return {
        "examples": [
            (tuple(row[0] for row in rows), tuple(row[-1] for row in rows))
            for rows in sentences
        ]
    }


def squad_says(folder: Path) -> Parts:
    rows = []
    for article in json.loads((folder / "a.json").read_bytes())["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                given = [(a["text"], a["answer_start"]) for a in question["answers"]]
                context = paragraph["context"]
                answers = [(a, s) for a, s in given if a == context[s:][: len(a or "")]]
                if question.get("is_impossible"):
                    answers = []
                elif given and not answers:
                    continue  # Without any it would say that there is none.
                name = str(question["id"])
                rows.append((name, question["question"], context, tuple(answers)))
    return {"examples": rows}


read_reviews = read(kinds.CLASSIFICATION, "text", "label")
READERS = [
    Reader("labelled.csv", write("a.csv", as_csv(",")), read_reviews, csv_says(",")),
    Reader("labelled.tsv", write("a.tsv", as_csv("\t")), read_reviews, csv_says("\t")),
    Reader(
        "labelled.jsonl",
        write("a.jsonl", "".join(json.dumps(review) + "\n" for review in REVIEWS)),
        read_reviews,
        json_lines_say,
    ),
    Reader(
        "labelled.json",
        write("a.json", json.dumps(REVIEWS, indent=1)),
        read_reviews,
        json_says,
    ),
    Reader("labelled.parquet", write_parquet, read_reviews),
    Reader(
        "labelled.conll",
        write("a.conll", SENTENCES),
        read(kinds.TOKEN_CLASSIFICATION, "words", "tags"),
        conll_says,
    ),
    Reader(
        "squad.json",
        write("a.json", json.dumps(SQUAD)),
        read(kinds.QUESTION_ANSWERING, "id", "question", "context", "answers"),
        squad_says,
    ),
]
