"""SQuAD's JSON, and answers that are not where they should be."""

import bz2
import json

import pytest

from bert_tf.errors import InputError
from bert_tf.labelled.kinds import QUESTION_ANSWERING


def squad(*questions, context="Ünal lives in 北京 today."):
    qas = [{"id": f"q{n}", "question": "Where?", **q} for n, q in enumerate(questions)]
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]})


def answer(text, start):
    return {"text": text, "answer_start": start}


GOOD = {"answers": [answer("北京", 14), answer("in 北京", 11), answer("北京", 14)]}


def test_both_versions(write, load):
    content = squad(GOOD, {"answers": [], "is_impossible": True}, {"answers": []})
    for name, data in (
        ("a.json", content),
        ("a.json", "\ufeff" + json.dumps(json.loads(content), indent=1)),
        ("a.json.bz2", bz2.compress(content.encode())),
    ):
        examples, _ = load(QUESTION_ANSWERING, write(name, data))
        assert [e.id for e in examples] == ["q0", "q1", "q2"]
        assert examples[0].answers == (("北京", 14), ("in 北京", 11))
        assert examples[1].answers == examples[2].answers == ()
        assert str(examples[1].place).endswith(": question 2")
    # What 2.0 calls plausible answers of impossible questions are none.
    question = {"answers": [answer("北京", 14)], "is_impossible": True}
    examples, _ = load(QUESTION_ANSWERING, write("a.json", squad(question)))
    assert examples[0].answers == ()
    path = write("a.json", squad({}))
    examples, _ = load(QUESTION_ANSWERING, path, with_targets=False)
    assert examples[0].answers is None


def test_answers_not_at_their_offset_are_left_out_and_listed(write, load):
    misplaced = [answer("北京", 13), answer("北京", -12), answer("", 3)]
    path = write(
        "a.json",
        squad(
            {"answers": [*misplaced, answer("北京", 14)]}, {"answers": misplaced[:1]}
        ),
    )
    examples, lines = load(QUESTION_ANSWERING, path)
    assert [(e.id, e.answers) for e in examples] == [("q0", (("北京", 14),))]
    assert lines[-2:] == [
        f"left out 4 answers not at their offset: {path}: question 1 (q0), "
        "question 1 (q0), question 1 (q0), question 2 (q1)",
        "left out 1 questions of which no answer is at its offset: "
        f"{path}: question 2 (q1)",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": [', "a.json: not JSON.*Expected SQuAD's form"),
        ('{"data": {}}', "No example in"),
        ('{"data": 1}', "TypeError"),
        ('{"data": [{}]}', "question 1, or what is around it: KeyError 'paragraphs'"),
        (squad({}), "question 1, or what.*KeyError 'answers'"),
        (squad(GOOD, context=3), "a.json: question"),
        (squad(GOOD).replace('"q0"', "null"), "question 1: the id must .*ed: None"),
        (squad(GOOD).replace('"q0"', '["q"]'), "question 1: the id must .*'q'"),
        (
            squad(GOOD).replace("Where", r"\\ud800"),
            "question 1: 'question' holds a lone",
        ),
    ],
)
def test_bad_files(write, load, content, message):
    content = content.replace(r"\\u", r"\u")
    with pytest.raises(InputError, match=message):
        load(QUESTION_ANSWERING, write("a.json", content))
