"""Texts cut into windows for Hugging Face's model, and answers found in them again."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.finetuning_data import WINDOW_OVERLAP

# As SQuAD's scripts have them: candidates for either end, and tokens of an answer.
_N_BEST = 20
_MAX_ANSWER_LENGTH = 30

Question = tuple[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Window:
    """A question with as much of its text as fits.

    Attributes:
        question: its number.
        feature: what the model takes.
        offsets: characters `[length, 2]` of the text that each token stands for;
            -1 for tokens that are not the text's.
    """

    question: int
    feature: dict[str, Any]
    offsets: np.ndarray


def windows(
    questions: Sequence[Question], tokenizer: Any, padding: Any, max_seq_length: int
) -> list[Window]:
    """Cuts texts into overlapping windows, and places answers in them.

    Args:
        questions: text, and the question with its answers.
        tokenizer: a fast tokenizer of Hugging Face.
        padding: as its argument of that name.
        max_seq_length: tokens of a window, the question included.

    Returns:
        All windows in order. Where the first answer is not wholly inside, both its ends
        are at [CLS].
    """
    encoded = tokenizer(
        [question["question"].lstrip() for _, question in questions],
        [context for context, _ in questions],
        truncation="only_second",
        max_length=max_seq_length,
        stride=WINDOW_OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding=padding,
    )
    result = []
    for i, number in enumerate(encoded["overflow_to_sample_mapping"]):
        inside = np.array([s == 1 for s in encoded.sequence_ids(i)])
        offsets = np.where(inside[:, None], encoded["offset_mapping"][i], -1)
        answer = questions[number][1]["answers"][0]
        begin = answer["answer_start"]
        starts, ends = _place(offsets, begin, begin + len(answer["text"]))
        feature = {name: encoded[name][i] for name in tokenizer.model_input_names}
        feature |= {"start_positions": starts, "end_positions": ends}
        result.append(Window(number, feature, offsets))
    return result


def _place(offsets: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    """Returns the first and last token of some characters; 0, 0 if not all are here."""
    inside = offsets[:, 0] >= 0
    first = np.flatnonzero(inside & (offsets[:, 0] <= begin) & (offsets[:, 1] > begin))
    last = np.flatnonzero(inside & (offsets[:, 0] < end) & (offsets[:, 1] >= end))
    return (int(first[0]), int(last[-1])) if len(first) and len(last) else (0, 0)


def best_answers(
    questions: Sequence[Question],
    cut: Sequence[Window],
    start_logits: np.ndarray,
    end_logits: np.ndarray,
) -> list[str]:
    """Finds each question's likeliest answer over its windows.

    Args:
        questions: text, and the question.
        cut: of `windows`.
        start_logits: `[num_windows, length]`, filled up beyond a window's own length.
        end_logits: likewise.

    Returns:
        The characters of the text; "" where no span is an answer.
    """
    best = [(-np.inf, "")] * len(questions)
    for window, starts, ends in zip(cut, start_logits, end_logits, strict=True):
        length = len(window.offsets)
        first = np.argsort(-starts[:length], kind="stable")[:_N_BEST]
        last = np.argsort(-ends[:length], kind="stable")[:_N_BEST]
        tokens = last[None, :] - first[:, None] + 1
        inside = window.offsets[:, 0] >= 0
        allowed = (
            (tokens > 0)
            & (tokens <= _MAX_ANSWER_LENGTH)
            & inside[first][:, None]
            & inside[last][None, :]
        )
        scores = np.where(
            allowed, starts[first][:, None] + ends[last][None, :], -np.inf
        )
        i, j = np.unravel_index(scores.argmax(), scores.shape)
        if scores[i, j] > best[window.question][0]:
            begin, end = window.offsets[first[i], 0], window.offsets[last[j], 1]
            text = questions[window.question][0][begin:end]
            best[window.question] = (float(scores[i, j]), text)
    return [text for _, text in best]
