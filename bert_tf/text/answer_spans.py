"""Answers as positions in windows, and scores of positions as answers."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_tf.text.windows import Windows

NO_ANSWER = 0
"""The position of [CLS], which stands for having no answer."""


def answer_positions(
    windows: Windows,
    example: int,
    starts: np.ndarray,
    ends: np.ndarray,
    answer: tuple[int, int] | None,
) -> np.ndarray:
    """Returns the answer's first and last token in each window of an example.

    Args:
        windows: of all examples.
        example: which one.
        starts: integers `[pieces]`, the context's, in characters.
        ends: integers `[pieces]`.
        answer: its start and end in characters; None if there is none.

    Returns:
        int32 `[windows of the example, 2]`; `NO_ANSWER` twice where the window does
        not have all of the answer.

    Source: google-research/bert, `run_squad.py`. It finds the answer's words first and
    their pieces then (`_improve_answer_span`); offsets give the pieces at once.
    """
    rows = windows.of_example(example)
    positions = np.full((len(rows), 2), NO_ANSWER, np.int32)
    if answer is None:
        return positions
    touched = np.flatnonzero((ends > answer[0]) & (starts < answer[1]))
    if not len(touched):
        return positions
    first, last = touched[0], touched[-1]
    for row, window in enumerate(rows):
        start, length = windows.starts[window], windows.lengths[window]
        if start <= first and last < start + length:
            shift = windows.context_offsets[window] - start
            positions[row] = first + shift, last + shift
    return positions


class ScoredAnswer(NamedTuple):
    """A possible answer.

    Attributes:
        text: as it stands in the context; "" for none.
        start: its first character in the context.
        end: the character behind its last.
        score: sum of the logits of its first and last token.
        probability: among all those of the question that are kept.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclasses.dataclass(frozen=True)
class AnswerScores:
    """What a model says about a question.

    Attributes:
        n_best: likeliest first, each text once; never "".
        null_score: the score of having no answer, of the window least sure of it.
    """

    n_best: tuple[ScoredAnswer, ...]
    null_score: float

    @property
    def null_score_difference(self) -> float:
        """How much having no answer leads over the best answer."""
        best = self.n_best[0].score if self.n_best else -np.inf
        return self.null_score - best

    def best(self, null_score_diff_threshold: float | None = None) -> str:
        """Returns the answer to give.

        Args:
            null_score_diff_threshold: "" where `null_score_difference` is above it;
                None where every question has an answer.
        """
        if not self.n_best:
            return ""
        if null_score_diff_threshold is not None:
            if self.null_score_difference > null_score_diff_threshold:
                return ""
        return self.n_best[0].text


def score_answers(
    windows: Windows,
    example: int,
    context: str,
    starts: np.ndarray,
    ends: np.ndarray,
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    *,
    n_best_size: int = 20,
    max_answer_length: int = 30,
    with_no_answer: bool = False,
) -> AnswerScores:
    """Finds the likeliest answers over all windows of an example.

    An answer begins with a piece that its window sees best, ends in the same window and
    is no longer than allowed. Positions outside of the context are not looked at, where
    run_squad lets them take places among the best.

    Args:
        windows: of all examples.
        example: which one.
        context: its text.
        starts: integers `[pieces]`, the context's, in characters.
        ends: integers `[pieces]`.
        start_logits: for each window of the example, floats `[tokens or more]`.
        end_logits: likewise.
        n_best_size: answers kept, and positions tried of each window.
        max_answer_length: in pieces.
        with_no_answer: whether having none is one of the answers that share the
            probability.

    Source: google-research/bert, `run_squad.py`, `write_predictions`.
    """
    found: list[tuple[float, int, int]] = []
    null_score = np.inf
    best_seen = windows.is_max_context(example)
    for row, window in enumerate(windows.of_example(example)):
        start_row = np.asarray(start_logits[row], np.float64)
        end_row = np.asarray(end_logits[row], np.float64)
        null_score = min(null_score, float(start_row[NO_ANSWER] + end_row[NO_ANSWER]))
        offset, length = windows.context_offsets[window], windows.lengths[window]
        start_row = start_row[offset : offset + length]
        end_row = end_row[offset : offset + length]
        first = _best(np.where(best_seen[row], start_row, -np.inf), n_best_size)
        first = first[best_seen[row][first]]
        last = _best(end_row, n_best_size)
        distance = last[None, :] - first[:, None]
        allowed = np.argwhere((distance >= 0) & (distance < max_answer_length))
        shift = int(windows.starts[window])
        for i, j in allowed.tolist():
            score = float(start_row[first[i]] + end_row[last[j]])
            found.append((score, int(first[i]) + shift, int(last[j]) + shift))
    # Of equal scores the earlier and shorter answer wins, in any order of windows.
    found.sort(key=lambda item: (-item[0], item[1], item[2]))
    kept: dict[str, tuple[float, int, int]] = {}
    for score, first_piece, last_piece in found:
        start, end = int(starts[first_piece]), int(ends[last_piece])
        kept.setdefault(context[start:end], (score, start, end))
        if len(kept) == n_best_size:
            break
    scores = [score for score, _, _ in kept.values()]
    probabilities = _softmax(scores + ([null_score] if with_no_answer else []))
    answers = tuple(
        ScoredAnswer(text, start, end, score, float(probability))
        for (text, (score, start, end)), probability in zip(
            kept.items(), probabilities, strict=False
        )
    )
    return AnswerScores(answers, null_score)


def _best(values: np.ndarray, number: int) -> np.ndarray:
    """Returns the indices of the highest values; of equal ones the first."""
    return np.argsort(-values, kind="stable")[:number]


def _softmax(scores: Sequence[float]) -> np.ndarray:
    values = np.array(scores, np.float64)
    if not len(values):
        return values
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()
