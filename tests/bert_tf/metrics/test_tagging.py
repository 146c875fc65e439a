"""Against seqeval's own reports, and the cases in which its two modes differ."""

import random

import pytest
from seqeval.metrics import accuracy_score, classification_report
from seqeval.scheme import IOB2

from bert_tf.metrics import tagging

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC-X", "I-MISC-X"]


def sentences(seed):
    """Tags at random, half of which the predictions take over."""
    rng = random.Random(seed)
    labels = [rng.choices(TAGS, k=rng.randint(1, 9)) for _ in range(40)]
    predictions = [
        [tag if rng.random() < 0.7 else rng.choice(TAGS) for tag in tags]
        for tags in labels
    ]
    return predictions, labels


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_against_seqeval(seed, strict):
    predictions, labels = sentences(seed)
    mode = {"mode": "strict", "scheme": IOB2} if strict else {}
    report = classification_report(
        labels, predictions, output_dict=True, zero_division=0, **mode
    )
    figures = tagging.tagging_metrics(predictions, labels, strict=strict)
    assert figures == pytest.approx(
        {
            "precision": report["micro avg"]["precision"],
            "recall": report["micro avg"]["recall"],
            "f1": report["micro avg"]["f1-score"],
            "f1_macro": report["macro avg"]["f1-score"],
            "accuracy": accuracy_score(labels, predictions),
        }
    )
    types = tagging.per_type(predictions, labels, strict=strict)
    assert [f.name for f in types] == [n for n in report if not n.endswith(" avg")]
    for figure in types:
        assert (figure.precision, figure.recall, figure.f1, figure.support) == (
            pytest.approx(tuple(report[figure.name].values()))
        )


def test_a_span_that_begins_with_an_inside_tag():
    labels = [["B-PER", "I-PER", "O"]]
    predictions = [["I-PER", "I-PER", "O"]]
    assert tagging.tagging_metrics(predictions, labels)["f1"] == 1.0
    assert tagging.tagging_metrics(predictions, labels, strict=True)["f1"] == 0.0


def test_a_span_must_be_whole():
    labels = [["B-PER", "I-PER", "O", "B-LOC"]]
    predictions = [["B-PER", "O", "O", "B-LOC"]]
    figures = tagging.tagging_metrics(predictions, labels)
    assert figures["precision"] == figures["recall"] == figures["f1"] == 0.5
    assert figures["accuracy"] == 0.75


def test_spans_do_not_reach_over_sentences():
    assert [
        (f.name, f.support)
        for f in tagging.per_type([["O"], ["O"]], [["B-PER"], ["I-PER"]])
    ] == [("PER", 2)]


def test_no_spans_at_all():
    nothing = [["O", "O"], ["O"]]
    assert tagging.tagging_metrics(nothing, nothing) == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "f1_macro": 0.0,
        "accuracy": 1.0,
    }
    assert tagging.per_type(nothing, nothing) == []


def test_tags_of_words_are_not_tags_of_spans():
    assert tagging.mark_spans(["O", "B-PER", "I-PER"])
    assert not tagging.mark_spans(["NOUN", "O"])
    with pytest.raises(ValueError, match="Received: \\['NOUN', 'O'\\]"):
        tagging.tagging_metrics([["O", "NOUN"]], [["O", "O"]])
