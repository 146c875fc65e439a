"""By hand, and against Model Garden's copies of SQuAD's official scripts."""

import random

import numpy as np
import pytest

from bert_tf.metrics import squad

WORDS = ["the", "a", "an", "The", "1,000", "café", "U.S.", "—", "’s", "Paris", "."]


def test_answers_are_compared_without_case_articles_and_punctuation():
    assert squad.normalize_answer("  The U.S. Army's\tan—A  ") == "us armys —"
    assert squad.exact_match("the Norman Conquest!", "Norman conquest") == 1.0
    assert squad.exact_match("Normandy", "Norman") == 0.0
    # Articles are cut as words, not out of words.
    assert squad.normalize_answer("Theatre an-d A.") == "theatre and"


def test_f1_counts_shared_words_as_often_as_both_have_them():
    assert squad.f1("New York City", "the city of New York") == pytest.approx(6 / 7)
    assert squad.f1("no no no", "no") == pytest.approx(2 * (1 / 3) / (4 / 3))
    assert squad.f1("", "Paris") == squad.f1("London", "Paris") == 0.0


def test_version_1_takes_the_best_of_the_right_answers():
    figures = squad.squad_v1_metrics(
        ["Paris, France", "1066", ""], [["paris", "Paris France"], ["1065"], ["the"]]
    )
    # An answer that is nothing but an article: right to the letter, without a word.
    assert figures == {"exact_match": pytest.approx(2 / 3), "f1": pytest.approx(1 / 3)}


def test_version_2_by_hand():
    figures = squad.squad_v2_metrics(
        ["Paris", "Rome", "green tea", "Oslo"],
        [["Paris"], [], ["tea"], []],
        np.array([-3.0, -1.0, 0.5, 4.0]),
        threshold=0.0,
    )
    assert figures == pytest.approx(
        {
            "exact_match": 2 / 4,
            "f1": 2 / 4,
            "has_answer_exact_match": 1 / 2,
            "has_answer_f1": 1 / 2,
            "no_answer_exact_match": 1 / 2,
            "no_answer_f1": 1 / 2,
            # Answering the first alone is best: all but the third are then right.
            "best_exact_match": 3 / 4,
            "best_exact_match_threshold": -3.0,
            # With the third's 2/3 goes the second's answer, which should not be.
            "best_f1": 3 / 4,
            "best_f1_threshold": -3.0,
        }
    )


def test_never_to_answer_can_be_best():
    scores = np.array([0.25, 0.75])
    figures = squad.squad_v2_metrics(["x", "y"], [[], []], scores, threshold=0.5)
    assert figures["best_f1"] == 1.0
    threshold = figures["best_f1_threshold"]
    assert 0.24 < threshold < 0.25
    again = squad.squad_v2_metrics(["x", "y"], [[], []], scores, threshold=threshold)
    assert again["f1"] == 1.0
    assert "has_answer_f1" not in again


def test_equal_scores_fall_on_one_side_whatever_their_order():
    predictions, answers = ["Paris", "Rome"], [["Paris"], []]
    scores = np.array([0.5, 0.5])
    forward = squad.squad_v2_metrics(predictions, answers, scores, threshold=0.5)
    backward = squad.squad_v2_metrics(
        predictions[::-1], answers[::-1], scores, threshold=0.5
    )
    assert forward == backward
    assert forward["best_f1"] == 0.5  # No threshold answers the first question alone.


def questions(seed, num_questions, share_without):
    rng = random.Random(seed)

    def text():
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))

    answers = [
        [] if rng.random() < share_without else [text() for _ in range(3)]
        for _ in range(num_questions)
    ]
    predictions = [rng.choice([text(), "", *(texts or ["Oslo"])]) for texts in answers]
    return predictions, answers


def dataset(answers):
    return [
        {
            "paragraphs": [
                {
                    "qas": [
                        {"id": str(i), "answers": [{"text": text} for text in texts]}
                        for i, texts in enumerate(answers)
                    ]
                }
            ]
        }
    ]


@pytest.mark.garden
@pytest.mark.parametrize("seed", range(20))
def test_version_1_against_model_garden(seed):
    from official.nlp.tools import squad_evaluate_v1_1

    predictions, answers = questions(seed, 50, share_without=0.0)
    by_id = {str(i): text for i, text in enumerate(predictions)}
    theirs = squad_evaluate_v1_1.evaluate(dataset(answers), by_id)
    ours = squad.squad_v1_metrics(predictions, answers)
    assert ours["exact_match"] == pytest.approx(theirs["exact_match"])
    assert ours["f1"] == pytest.approx(theirs["final_f1"])


@pytest.mark.garden
@pytest.mark.parametrize("share_without", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_version_2_against_model_garden(seed, share_without):
    from official.nlp.tools import squad_evaluate_v2_0

    predictions, answers = questions(seed, 50, share_without)
    scores = np.random.default_rng(seed).uniform(size=50)
    by_id = {str(i): text for i, text in enumerate(predictions)}
    no_answer = {str(i): float(score) for i, score in enumerate(scores)}
    theirs = squad_evaluate_v2_0.evaluate(dataset(answers), by_id, no_answer)
    # They apply a threshold of 1.0.
    ours = squad.squad_v2_metrics(predictions, answers, scores, threshold=1.0)
    names = {
        "exact": "exact_match",
        "f1": "f1",
        "HasAns_exact": "has_answer_exact_match",
        "HasAns_f1": "has_answer_f1",
        "NoAns_exact": "no_answer_exact_match",
        "NoAns_f1": "no_answer_f1",
        "final_exact": "best_exact_match",
        "final_f1": "best_f1",
    }
    for name, own in names.items():
        assert (name in theirs) == (own in ours), name
        if name in theirs:
            assert 100.0 * ours[own] == pytest.approx(theirs[name]), name
    for name in ("exact", "f1"):
        threshold = theirs[f"final_{name}_thresh"]
        own = ours[f"best_{names[name]}_threshold"]
        # Theirs is 0.0 where no answer is best, ours below every score.
        assert own == threshold or (threshold == 0.0 and own < scores.min())
