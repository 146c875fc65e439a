"""Answers to questions, in the definition of the SQuAD benchmarks.

Official scripts print percent; these are fractions.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from bert_tf.metrics.inputs import check_finite, check_same_length

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lowers an answer and drops punctuation (ASCII), English articles, extra spaces.

    Source: `normalize_answer` of SQuAD's `evaluate-v1.1.py` and `evaluate-v2.0.py`.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answer: str) -> float:
    """Returns 1.0 if both are the same answer, else 0.0."""
    return float(normalize_answer(prediction) == normalize_answer(answer))


def f1(prediction: str, answer: str) -> float:
    """Returns the F1 of the words that two answers share, 0.0 if either has none."""
    predicted = normalize_answer(prediction).split()
    true = normalize_answer(answer).split()
    shared = (Counter(predicted) & Counter(true)).total()
    return 2.0 * shared / (len(predicted) + len(true)) if shared else 0.0


def squad_v1_metrics(
    predictions: Sequence[str], answers: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Scores answers where every question has one.

    Args:
        predictions: an answer to each question; "" for none.
        answers: the right answers to each question, at least one.

    Returns:
        `exact_match` and `f1`, each question's best over its right answers.

    Source: SQuAD's `evaluate-v1.1.py` (Rajpurkar et al. 2016, arXiv:1606.05250).
    """
    check_same_length(predictions=predictions, answers=answers)
    return {
        "exact_match": float(np.mean(_best_of(exact_match, predictions, answers))),
        "f1": float(np.mean(_best_of(f1, predictions, answers))),
    }


def squad_v2_metrics(
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    no_answer_scores: np.ndarray,
    *,
    threshold: float,
) -> dict[str, float]:
    """Scores answers where some questions have none.

    Args:
        predictions: the likeliest answer to each question, whether given or not; "" if
            there is none to give.
        answers: the right answers to each question; empty if it has none.
        no_answer_scores: `[num_questions]`, higher where having no answer is likelier:
            probabilities, or differences of scores.
        threshold: an answer is given where the score is not above it.

    Returns:
        `exact_match` and `f1`, at the threshold; the same after `has_answer_` and
        `no_answer_`, for the questions of either kind, where there are any;
        `best_exact_match` and `best_f1` over all thresholds, each with its own
        (`best_exact_match_threshold`, `best_f1_threshold`). Where it is best to give no
        answer at all, that threshold lies just below the lowest score.

    Source: SQuAD's `evaluate-v2.0.py` (Rajpurkar et al. 2018, arXiv:1806.03822). It
    splits questions of the same score by chance of their order, where no threshold can.
    """
    check_same_length(predictions=predictions, answers=answers, scores=no_answer_scores)
    scores = check_finite("no-answer scores", no_answer_scores)
    has_answer = np.array([bool(texts) for texts in answers])
    # An answer that is nothing but an article or a full stop is right when left out.
    worded = [[a for a in texts if normalize_answer(a)] or [""] for texts in answers]
    answered = np.array([bool(text) for text in predictions])
    given = scores <= threshold
    metrics = {}
    for name, score in (("exact_match", exact_match), ("f1", _f1_or_none)):
        when_given = _best_of(score, predictions, worded)
        reached = np.where(given, when_given, ~has_answer)
        metrics[name] = float(np.mean(reached))
        for kind, chosen in (("has", has_answer), ("no", ~has_answer)):
            if chosen.any():
                metrics[f"{kind}_answer_{name}"] = float(np.mean(reached[chosen]))
        gains = np.where(has_answer, when_given, -answered.astype(float))
        best, at = _best_threshold(gains, scores, float((~has_answer).sum()))
        metrics[f"best_{name}"] = best / len(scores)
        metrics[f"best_{name}_threshold"] = at
    return metrics


def _f1_or_none(prediction: str, answer: str) -> float:
    """Returns version 2.0's F1, by which two missing answers agree."""
    if not normalize_answer(prediction) or not normalize_answer(answer):
        return exact_match(prediction, answer)
    return f1(prediction, answer)


def _best_of(
    score: Callable[[str, str], float],
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
) -> np.ndarray:
    return np.array(
        [
            max(score(prediction, answer) for answer in texts)
            for prediction, texts in zip(predictions, answers, strict=True)
        ]
    )


def _best_threshold(
    gains: np.ndarray, scores: np.ndarray, without: float
) -> tuple[float, float]:
    """Finds how many questions are answered best, from the surest on.

    Args:
        gains: `[num_questions]`, what answering each adds to the total.
        scores: `[num_questions]`.
        without: the total if none is answered.

    Returns:
        The highest total, and the lowest threshold that reaches it.
    """
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    ends = np.flatnonzero(np.append(ascending[1:] > ascending[:-1], True))
    totals = without + np.cumsum(gains[order])[ends]
    best = int(totals.argmax())
    if totals[best] <= without:
        return without, float(np.nextafter(ascending[0], -np.inf))
    return float(totals[best]), float(ascending[ends[best]])
