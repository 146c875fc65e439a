"""CoNLL files and the schemes of their tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf.errors import InputError
from bert_tf.labelled import conll
from bert_tf.labelled.examples import Place
from bert_tf.labelled.kinds import TOKEN_CLASSIFICATION
from bert_tf.labelled.tagging import to_iob2

CONLL = """-DOCSTART- -X- O

EU NNP B-ORG
rejects VBZ O
. . O


Peter NNP B-PER
Blackburn NNP I-PER
"""


def test_conll(write, load):
    for name, content in (
        ("a.txt", CONLL),
        ("a.conll", CONLL.replace(" ", "\t").replace("\n", "\r\n")),
        ("a.tsv", CONLL.replace(" ", "\t")),
        ("a.bio", CONLL.replace(" ", "  \t")),
        (
            "a.iob2",
            "# of 5 words .\n" + CONLL.replace("EU", "# id = 1\nEU"),
        ),
    ):
        examples, lines = load(TOKEN_CLASSIFICATION, write(name, content))
        words = [example.words for example in examples]
        assert words == [("EU", "rejects", "."), ("Peter", "Blackburn")], name
        assert examples[1].text == "Peter Blackburn"
        tags = [example.tags for example in examples]
        assert tags == [("B-ORG", "O", "O"), ("B-PER", "I-PER")]
        assert "tags: IOB2" in lines
    assert [
        example.place.number
        for example in load(TOKEN_CLASSIFICATION, write("a.txt", CONLL))[0]
    ] == [3, 8]


def test_columns_by_number_and_words_alone(write, load):
    path = write("a.txt", CONLL)
    examples, lines = load(TOKEN_CLASSIFICATION, path, tags="2")
    assert examples[0].tags == ("NNP", "VBZ", ".")
    assert "tags: plain" in lines
    path = write("a.conll", "EU\nrejects\n\n#\n#\n")
    examples, _ = load(TOKEN_CLASSIFICATION, path, with_targets=False)
    assert [e.words for e in examples] == [("EU", "rejects"), ("#", "#")]


def test_a_word_with_a_blank_that_is_none(write, load):
    path = write("a.txt", "10\u00a0000 O\n# O\n")
    assert load(TOKEN_CLASSIFICATION, path)[0][0].words == ("10\u00a0000", "#")


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("EU B-ORG\nrejects\n", {}, "line 2: 1 columns, where line 1 has 2.*'rejects'"),
        ("EU NNP B-ORG\n\na b c d\n", {}, "line 3: 4 columns, where line 1 has 3"),
        ("EU\nrejects\n", {}, "line 1: one column, so no tags"),
        ("EU O\n", {"tags": "3"}, "columns.tags must be a number from 1 to 2.*'3'"),
        ("EU O\n", {"words": "word"}, "columns.words must be a number.*'word'"),
        (
            "EU B-ORG\nof I-ORG\n\nin O\nYork I-LOC\n",
            {},
            "line 5: tag 'I-LOC' of",
        ),
        ("EU B-ORG\nof I-LOC\n", {}, "line 2: tag 'I-LOC' of 'of' follows 'B-ORG'"),
        ("A B-X\nEU I-Y\nEU I-Y\nEU I-X\n", {}, "line 2.*2 such"),
        ("EU S-X\nof O\nthe E-X\n", {}, "line 3: tag 'E-X' of 'the' follows 'O'"),
        (
            "EU B-ORG\nof ORG\n",
            {},
            "tag 'ORG' of 'of' is neither O nor",
        ),
    ],
)
def test_bad_files(write, load, content, settings, message):
    path = write("a.txt", content)
    with pytest.raises(InputError, match=message) as error:
        load(TOKEN_CLASSIFICATION, path, **settings)
    assert str(path) in str(error.value)


def convert(*rows, bad_tags="error"):
    sentences = [
        conll.sentence(["w"] * len(row.split()), row.split(), Place("a", 1))
        for row in rows
    ]
    converted, report = to_iob2(sentences, bad_tags)
    return [" ".join(sentence.tags) for sentence in converted], report


@pytest.mark.parametrize(
    ("rows", "scheme", "expected"),
    [
        (["B-X I-X O B-X B-X"], "IOB2", ["B-X I-X O B-X B-X"]),
        (["O I-X I-X B-X I-Y"], "IOB1", ["O B-X I-X B-X B-Y"]),
        (["I-X", "B-X I-X"], "IOB2", None),
        (["B-X E-X S-X O B-Y I-Y E-Y"], "BIOES", ["B-X I-X B-X O B-Y I-Y I-Y"]),
        (["U-X B-X L-X", "O"], "BIOES", ["B-X B-X I-X", "O"]),
        (["B-X M-X E-X S-Y"], "BIOES", ["B-X I-X I-X B-Y"]),
        (["NN VB", "O"], "plain", ["NN VB", "O"]),
        (["O O"], "plain", ["O O"]),
    ],
)
def test_schemes(rows, scheme, expected):
    if expected is None:
        with pytest.raises(InputError, match="tag 'I-X' of 'w' follows 'the start of"):
            convert(*rows)
        return
    tags, report = convert(*rows)
    assert (tags, report.scheme, report.num_repaired) == (expected, scheme, 0)
    if scheme in ("IOB1", "BIOES"):
        assert report.lines() == [f"tags: {scheme}, turned into IOB2"]


def test_repair():
    tags, report = convert("B-Y O I-X I-X I-Y", bad_tags="repair")
    assert tags == ["B-Y O B-X I-X B-Y"]
    assert report.lines() == ["tags: IOB2", "repaired 2 tags that followed no B-"]


ENTITIES = st.lists(
    st.tuples(st.sampled_from(["", "X", "Y"]), st.integers(1, 3)), max_size=6
)


def write_tags(entities, scheme):
    tags, before = [], ""
    for kind, length in entities:
        if not kind:
            tags += ["O"] * length
        elif scheme == "IOB1":
            tags += ["B" if kind == before else "I"] + ["I"] * (length - 1)
        elif scheme == "BIOES":
            tags += ["S"] if length == 1 else ["B", *["I"] * (length - 2), "E"]
        else:
            tags += ["B"] + ["I"] * (length - 1)
        tags = [f"{tag}-{kind}" if tag in set("BIES") else tag for tag in tags]
        before = kind
    return " ".join(tags)


@given(st.lists(ENTITIES, max_size=5))
def test_every_scheme_says_the_same(sentences):
    expected = [write_tags(entities, "IOB2") for entities in sentences]
    assert convert(*expected)[0] == expected
    bioes = [write_tags(entities, "BIOES") for entities in sentences]
    if any(set("ES") & set(row) for row in bioes):
        assert convert(*bioes)[0] == expected
    iob1 = [write_tags(entities, "IOB1") for entities in sentences]
    assert convert(*iob1)[0] == expected
