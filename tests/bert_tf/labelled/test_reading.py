"""Every kind of example from every format, and what is wrong with files."""

import gzip
import json
import sys

import pyarrow
import pyarrow.parquet
import pytest

from bert_tf.errors import InputError
from bert_tf.labelled import kinds
from bert_tf.labelled.kinds import (
    CLASSIFICATION,
    EXTRACTIVE_SUMMARIZATION,
    MULTI_LABEL,
    MULTIPLE_CHOICE,
    QUESTION_ANSWERING,
    REGRESSION,
    TEXTS,
    TOKEN_CLASSIFICATION,
)
from bert_tf.labelled.options import ReadOptions


def json_lines(*records):
    return "\n".join(json.dumps(record) for record in records)


CSV = 'id,review,sentiment\n1,"good, really",pos\n2,bad,neg\n'
RECORDS = [
    {"id": 1, "review": "good, really", "sentiment": "pos"},
    {"id": 2, "review": "bad", "sentiment": "neg"},
]
EXPECTED = [("good, really", None, "pos"), ("bad", None, "neg")]


def parquet(path, records, metadata=None):
    table = pyarrow.Table.from_pylist(records)
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.csv", CSV, "a.csv: line 3"),
        ("a.tsv", CSV.replace('"good, really"', "good, really"), "a.tsv: line 3"),
        ("a.jsonl", "\n" + json_lines(*RECORDS), "a.jsonl: line 3"),
        ("a.json", json_lines(*RECORDS), "a.json: line 2"),
        ("a.json", json.dumps(RECORDS, indent=1), "a.json: record 2"),
        (
            "a.ndjson.gz",
            gzip.compress(json_lines(*RECORDS).encode(), mtime=0),
            "line 2",
        ),
        ("a.parquet", None, "a.parquet: row 2"),
    ],
)
def test_classification_from_every_format(write, load, tmp_path, name, content, place):
    if name == "a.tsv":
        content = content.replace("good, really", "good_ really").replace(",", "\t")
        content = content.replace("good_", "good,")
    if content is None:
        path = parquet(tmp_path / name, RECORDS)
    else:
        path = write(name, content)
    examples, lines = load(CLASSIFICATION, path)
    assert [(e.text, e.text_pair, e.label) for e in examples] == EXPECTED
    assert str(examples[1].place).endswith(place)
    assert "columns text=review, label=sentiment; not read: id" in lines[1]
    # The same file to predict on.
    examples, lines = load(CLASSIFICATION, path, with_targets=False)
    assert [e.text for e in examples] == ["good, really", "bad"]
    assert {e.label for e in examples} == {None}
    assert "columns text=review; not read: id, sentiment" in lines[1]


def test_arrays_are_read_in_parts(write, load, monkeypatch):
    records = [{"text": "é" * n + '[]{"', "label": n % 2} for n in range(1, 40)]
    path = write("a.json", json.dumps(records, ensure_ascii=False, indent=2))
    expected = load(CLASSIFICATION, path)[0]
    assert [e.text for e in expected] == [record["text"] for record in records]
    for size in (1, 7, 64):
        monkeypatch.setattr("bert_tf.labelled.json_records._CHUNK_BYTES", size)
        assert load(CLASSIFICATION, path)[0] == expected


@pytest.mark.parametrize(
    ("columns", "settings", "found"),
    [
        (["premise", "hypothesis", "label"], {}, ("premise", "hypothesis")),
        (["Sentence1", "SENTENCE2", "label"], {}, ("Sentence1", "SENTENCE2")),
        (["label", "question", "sentence"], {}, ("question", "sentence")),
        (["text", "hypothesis", "label"], {}, ("text", None)),
        (["title", "text", "label"], {}, ("text", None)),
        (["title", "text", "label"], {"text": "title"}, ("title", None)),
        (["a", "b", "label"], {"text": "a", "text_pair": "b"}, ("a", "b")),
    ],
)
def test_pairs(write, load, columns, settings, found):
    path = write("a.jsonl", json_lines({name: f"{name}!" for name in columns}))
    (example,), _ = load(CLASSIFICATION, path, **settings)
    expected = tuple(name and f"{name}!" for name in found)
    assert (example.text, example.text_pair) == expected
    assert example.label == "label!"


def test_a_csv_without_a_header(write, load):
    path = write("a.csv", '"3","first","rest"\n"4","second","more"\n')
    examples, _ = load(CLASSIFICATION, path, label="1", text="3")
    assert [(e.text, e.label) for e in examples] == [("rest", "3"), ("more", "4")]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (1, "1"),
        (1.0, "1"),
        (True, "True"),
        (" x ", "x"),
        (0.5, "0.5"),
        ("none", "none"),
    ],
)
def test_labels_become_names(write, load, value, label):
    path = write("a.jsonl", json_lines({"text": "t", "label": value}))
    assert load(CLASSIFICATION, path)[0][0].label == label


def test_class_names_of_hugging_face_parquet(load, tmp_path):
    records = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    names = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    metadata = {"info": {"features": {"text": {"_type": "Value"}, "label": names}}}
    path = parquet(tmp_path / "a.parquet", records, metadata)
    examples, lines = load(CLASSIFICATION, path)
    assert [e.label for e in examples] == ["pos", "neg"]
    assert "class names of label" in lines[1]
    records = [{"tokens": ["a", "b"], "ner_tags": [0, 1]}]
    tags = {"feature": {"names": ["O", "B-X"], "_type": "ClassLabel"}}
    metadata = {"info": {"features": {"ner_tags": tags}}}
    path = parquet(tmp_path / "b.parquet", records, metadata)
    assert load(TOKEN_CLASSIFICATION, path)[0][0].tags == ("O", "B-X")


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        ({"text": "t", "labels": ["a", "b"]}, {}),
        ({"text": "t", "labels": "a,b"}, {}),
        ({"text": "t", "labels": " a | b|a "}, {}),
        ({"text": "t", "tags": "a;b"}, {}),
        ({"text": "t", "a": 1, "c": 0, "b": "1.0"}, {"labels": "a,b,c"}),
        ({"text": "t", "a": True, "c": False, "b": "TRUE"}, {"labels": "a, b, c"}),
    ],
)
def test_multi_label(write, load, record, settings):
    path = write("a.jsonl", json_lines(record))
    assert load(MULTI_LABEL, path, **settings)[0][0].labels == ("a", "b")


def test_no_label_is_a_label_set_too(write, load):
    path = write("a.csv", "text,labels\nt,\n")
    assert load(MULTI_LABEL, path)[0][0].labels == ()
    path = write("a.jsonl", json_lines({"text": "t", "labels": None}))
    assert load(MULTI_LABEL, path)[0][0].labels == ()


def test_regression(write, load):
    path = write("a.tsv", "sentence1\tsentence2\tscore\na\tb\t3.25\nc\td\t-1e3\n")
    examples, _ = load(REGRESSION, path)
    assert [e.value for e in examples] == [3.25, -1000.0]
    assert examples[0].key == ("a", "b")


def test_texts(write, load):
    path = write("a.csv", "anchor,positive\na,b\n")
    assert load(TEXTS, path)[0][0].key == ("a", "b")
    path = write("a.txt", "one\n\n two \n")
    examples, _ = load(TEXTS, path)
    assert [e.text for e in examples] == ["one", " two "]
    # To predict on, every line is an example.
    for kind in (TEXTS, CLASSIFICATION, MULTI_LABEL, REGRESSION):
        examples, _ = load(kind, path, with_targets=False)
        assert [e.text for e in examples] == ["one", "", " two "]


def test_words_of_records_and_of_text(write, load):
    records = [{"tokens": ["New", "York", "!"], "ner_tags": ["B-LOC", "I-LOC", "O"]}]
    (example,), _ = load(TOKEN_CLASSIFICATION, write("a.jsonl", json_lines(*records)))
    assert example.text == "New York !"
    assert example.spans == ((0, 3), (4, 8), (9, 10))
    assert example.tags == ("B-LOC", "I-LOC", "O")
    path = write("a.csv", "words,tags\nNew York,B-LOC I-LOC\n")
    assert load(TOKEN_CLASSIFICATION, path)[0][0].tags == ("B-LOC", "I-LOC")
    path = write("a.tsv", "mine\ttheirs\nNew York\tB-LOC I-LOC\n")
    columns = {"words": "mine", "tags": "theirs"}
    assert load(TOKEN_CLASSIFICATION, path, **columns)[0][0].words == ("New", "York")
    for name, content in (
        ("a.txt", "In  New York!\n"),
        ("b.csv", "text\nIn  New York!"),
    ):
        (example,), _ = load(
            TOKEN_CLASSIFICATION, write(name, content), with_targets=False
        )
        assert example.words == ("In", "New", "York", "!")
        assert example.text == "In  New York!"


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["b c"], "answer_start": [2]},
        [{"text": "b c", "answer_start": 2}],
        '{"text": ["b c"], "answer_start": [2]}',
    ],
)
def test_questions_of_records(write, load, answers):
    record = {"id": "q", "question": "Q?", "context": "a b c", "answers": answers}
    (example,), _ = load(QUESTION_ANSWERING, write("a.json", json_lines(record)))
    assert example.answers == (("b c", 2),)
    path = write("a.csv", "question,context\nQ?,a b c\n")
    (example,), _ = load(QUESTION_ANSWERING, path, with_targets=False)
    assert (example.id, example.answers) == ("2", None)


@pytest.mark.parametrize(
    ("record", "text", "choices"),
    [
        (
            {"sent1": "A.", "sent2": "B", **{f"ending{i}": str(i) for i in range(4)}},
            "A.",
            ("B 0", "B 1", "B 2", "B 3"),
        ),
        ({"premise": "A.", "choice1": "x", "choice2": "y"}, "A.", ("x", "y")),
        ({"article": "A.", "question": "Q?", "options": ["x", "y"]}, "A.", None),
        ({"question": "Q?", "choices": ["x", "y"]}, "Q?", ("x", "y")),
        (
            {"question": "Q?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}},
            "Q?",
            ("x", "y"),
        ),
        (
            {"question": "Q?", "A": "x", "B": "y", "C": "z", "D": "w"},
            "Q?",
            tuple("xyzw"),
        ),
    ],
)
def test_choices(write, load, record, text, choices):
    lettered = {"label": "2"} if isinstance(record.get("choices"), dict) else {}
    for label in (lettered or {"label": 1}, {"answer": "B"}):
        path = write("a.jsonl", json_lines({**record, **label}))
        (example,), _ = load(MULTIPLE_CHOICE, path)
        assert example.text == text
        assert example.choices == (choices or ("Q? x", "Q? y"))
        assert example.label == 1
    path = write("a.jsonl", json_lines(record))
    (example,), _ = load(MULTIPLE_CHOICE, path, with_targets=False)
    assert example.label is None


def test_documents_to_summarize(write, load):
    record = {"sentences": ["One.", ["Two", "."]], "labels": [0, 1], "summary": ["S."]}
    (example,), _ = load(EXTRACTIVE_SUMMARIZATION, write("a.jsonl", json_lines(record)))
    assert example.sentences == ("One.", "Two .")
    assert example.labels == (False, True)
    assert (example.summary, example.spans) == ("S.", ())
    path = write("a.csv", "article,highlights\nOne. Two.,Short.\n")
    (example,), _ = load(EXTRACTIVE_SUMMARIZATION, path)
    assert (example.sentences, example.labels) == (("One.", "Two."), (False, False))
    assert (example.summary, example.spans) == ("Short.", ((0, 4), (5, 9)))


def test_documents_to_predict_on_need_no_summary(write, load):
    path = write("a.csv", "article\nOne. Two.\n")
    kind = EXTRACTIVE_SUMMARIZATION
    (example,), _ = load(kind, path, with_targets=False, summary="highlights")
    assert (example.sentences, example.summary) == (("One.", "Two."), None)


def test_empty_texts_are_left_out_and_listed(write, load):
    rows = "".join(f"{text},1\n" for text in ["a", "", "b", " \u2003", *[""] * 5])
    path = write("a.csv", "text,label\n" + rows)
    examples, lines = load(CLASSIFICATION, path)
    assert [e.text for e in examples] == ["a", "b"]
    assert lines[-1] == (
        f"left out 7 examples with an empty text: {path}: line 3, line 5, line 6, "
        "line 7, line 8, ..."
    )
    assert len(load(CLASSIFICATION, path, with_targets=False)[0]) == 9


BAD = [
    (CLASSIFICATION, "a.csv", "text,stars_given\na,1\n", "no column for `label`"),
    (CLASSIFICATION, "a.csv", "blurb,label\na,1\n", "no column for `text`.*'blurb'"),
    (CLASSIFICATION, "a.csv", "text,label\na,\n", "line 2: no label in column 'label'"),
    (CLASSIFICATION, "a.csv", "text,label\n,x\n", "No example in .*1 examples with an"),
    (CLASSIFICATION, "a.txt", "a\n", "classification with targets reads the formats"),
    (CLASSIFICATION, "a.json", '{"text": "a",\n"label": 1}', "line 1: not JSON"),
    (CLASSIFICATION, "a.jsonl", "9" * 5000, "line 1: not JSON .Exceeds the limit"),
    (CLASSIFICATION, "a.json", f"[{'9' * 5000}]", "record 1: not JSON .Exceeds the"),
    (CLASSIFICATION, "a.json", "[1]", "record 1: expected a JSON object"),
    (CLASSIFICATION, "a.json", '[{"text": "a", "label": 1}', "record 2: not JSON: exp"),
    (CLASSIFICATION, "a.json", '[{"text": "a" "b"}]', "record 1: not JSON"),
    (CLASSIFICATION, "a.json", b'[{"text": "\xff"}]', "a.json: not UTF-8 .byte 0xff."),
    (CLASSIFICATION, "a.json", "[]", "empty. Expected JSON objects"),
    (CLASSIFICATION, "a.json", "[" * 10**5, "record 1: nested too deeply"),
    (
        CLASSIFICATION,
        "a.jsonl",
        json_lines({"text": "a", "label": 1}, {"text": "b"}),
        "line 2: no field 'label', which the first record has. Received: .'text'",
    ),
    (
        CLASSIFICATION,
        "a.jsonl",
        json_lines({"text": ["a"], "label": 1}),
        "line 1: column 'text' must hold text. Received: .'a'",
    ),
    (
        CLASSIFICATION,
        "a.jsonl",
        json_lines({"text": "a", "label": [1]}),
        "must hold one label",
    ),
    (CLASSIFICATION, "a.jsonl", r'{"text": "\ud800", "label": 1}', "a lone surrogate"),
    (REGRESSION, "a.csv", "text,value\na,nan\n", "line 2.*finite number.*'nan'"),
    (REGRESSION, "a.csv", "text,value\na,inf\n", "line 2.*finite number.*'inf'"),
    (REGRESSION, "a.csv", "text,value\na,\n", "line 2.*finite number.*''"),
    (
        REGRESSION,
        "a.jsonl",
        '{"text": "a", "value": NaN}',
        "line 1: column 'value' must hold a finite number",
    ),
    (
        TOKEN_CLASSIFICATION,
        "a.jsonl",
        json_lines({"tokens": ["a", "b"], "tags": ["O"]}),
        "line 1: 2 words and 1 tags",
    ),
    (
        QUESTION_ANSWERING,
        "a.jsonl",
        json_lines({"question": "q", "context": "c", "answers": "c"}),
        "must hold .*answer_start",
    ),
    (
        MULTIPLE_CHOICE,
        "a.jsonl",
        json_lines({"question": "q", "choices": ["a"], "label": 0}),
        "two or more choices",
    ),
    (
        MULTIPLE_CHOICE,
        "a.jsonl",
        json_lines({"question": "q", "choices": ["a", "b"], "label": 2}),
        "must be one of .'0', '1'., or a letter.*'2'",
    ),
    (
        EXTRACTIVE_SUMMARIZATION,
        "a.jsonl",
        json_lines({"sentences": ["a", "b"], "labels": [1]}),
        "2 sentences and 1 labels",
    ),
    (
        EXTRACTIVE_SUMMARIZATION,
        "a.jsonl",
        json_lines({"sentences": ["a", "b"]}),
        "no column for `summary`",
    ),
    (QUESTION_ANSWERING, "a.txt", "a\n", "question answering with targets reads"),
]


@pytest.mark.parametrize(("kind", "name", "content", "message"), BAD)
def test_bad_input(write, load, kind, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError, match=message) as error:
        load(kind, path)
    assert str(path) in str(error.value)


def test_columns_that_are_not_there(write, load):
    path = write("a.csv", "text,label\na,1\n")
    with pytest.raises(InputError, match="no column 'body', which columns.text names"):
        load(CLASSIFICATION, path, text="body")
    path = write("a.csv", "text,x,y\na,1,2\n")
    with pytest.raises(InputError, match="no column 'z', which columns.labels names"):
        load(MULTI_LABEL, path, labels="x,z")
    with pytest.raises(InputError, match="column 'y' must be 1 or 0.*Received: '2'"):
        load(MULTI_LABEL, path, labels="x,y")


def test_questions_of_several_files_without_ids(write, load):
    record = {"question": "?", "context": "c", "answers": []}
    paths = [write(f"{name}.jsonl", json_lines(record, record)) for name in "ab"]
    examples, _ = load(QUESTION_ANSWERING, ",".join(map(str, paths)))
    assert [example.id for example in examples] == ["1", "2", "1", "2"]


def test_questions_with_the_same_id(write, load):
    record = {"id": "q", "question": "?", "context": "c", "answers": []}
    path = write("a.jsonl", json_lines(record, record))
    with pytest.raises(InputError, match="line 1: 2 questions have the id 'q'"):
        load(QUESTION_ANSWERING, path)


def test_training_files_say_nothing_of_the_format_of_others(write, load):
    path = write("a.csv", CSV)
    with pytest.raises(InputError, match="not JSON"):
        load(CLASSIFICATION, path, input_format="json")
    found, _ = load(CLASSIFICATION, path, input_format="json", with_targets=False)
    assert [example.text for example in found] == ["good, really", "bad"]
    path = write("a.data", json_lines(*RECORDS))
    found, _ = load(CLASSIFICATION, path, input_format="json", with_targets=False)
    assert [example.text for example in found] == ["good, really", "bad"]


@pytest.mark.parametrize(
    ("kind", "record", "columns"),
    [
        (QUESTION_ANSWERING, {"question": "?", "context": "c"}, {"id": "number"}),
        (TOKEN_CLASSIFICATION, {"text": "New York"}, {"words": "split"}),
    ],
)
def test_named_columns_that_predictions_do_without(write, load, kind, record, columns):
    path = write("a.jsonl", json_lines(record))
    (example,), _ = load(kind, path, with_targets=False, **columns)
    assert " ".join(example.key) == " ".join(record.values())
    path = write("b.jsonl", json_lines({**record, "tags": ["O"], "answers": []}))
    (name,) = columns.values()
    with pytest.raises(InputError, match=f"no column '{name}', which columns"):
        load(kind, path, **columns)


def test_options_are_checked():
    for name in ("input_format", "quoting", "bad_tags"):
        with pytest.raises(InputError, match=f"{name}` must be one of.*'x'"):
            ReadOptions(**{name: "x"}).validate()
    with pytest.raises(InputError, match="max_summary_sentences` must be at least 1"):
        ReadOptions(max_summary_sentences=0).validate()


def test_parquet_without_its_extra(load, tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", RECORDS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs `pip install bert-tf\[parquet\]`"):
        load(CLASSIFICATION, path)


def test_every_kind_is_listed_once():
    found = [kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)]
    assert len({kind.name for kind in found}) == len(found) == 11
