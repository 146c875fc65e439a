"""Windows and answers against run_squad's rules, written out anew here."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.errors import InputError
from bert_tf.text.answer_spans import answer_positions, score_answers
from bert_tf.text.pieces import Pieces
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows

VOCABULARY = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, *map(str, range(100))], TokenizerConfig()
)
CLS, SEP = VOCABULARY.cls_id, VOCABULARY.sep_id


def make(lengths, start=0):
    lengths = list(lengths)
    splits = np.cumsum([0, *lengths])
    ids = 5 + (start + np.arange(splits[-1], dtype=np.int32)) % 90
    return Pieces(ids, splits)


def reference_windows(question, context, max_seq_length, stride):
    """run_squad's loop over document spans."""
    room = max_seq_length - len(question) - 3
    spans, start = [], 0
    while start < len(context):
        length = min(len(context) - start, room)
        spans.append((start, length))
        if start + length == len(context):
            break
        start += min(length, stride)
    return spans


def reference_is_max_context(spans, index, position):
    best_score, best_index = None, None
    for number, (start, length) in enumerate(spans):
        end = start + length - 1
        if not start <= position <= end:
            continue
        score = min(position - start, end - position) + 0.01 * length
        if best_score is None or score > best_score:
            best_score, best_index = score, number
    return index == best_index


SHAPES = st.tuples(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 60)), min_size=1, max_size=4),
    st.integers(9, 24),
    st.integers(1, 12),
)


@given(SHAPES)
@settings(deadline=None)
def test_windows_are_run_squads(shape):
    sizes, max_seq_length, stride = shape
    questions = make([size for size, _ in sizes])
    contexts = make([size for _, size in sizes], start=7)
    windows = Windows.build(
        contexts,
        VOCABULARY,
        questions=questions,
        max_seq_length=max_seq_length,
        doc_stride=stride,
        max_query_length=4,
    )
    for example, (_, size) in enumerate(sizes):
        question, context = questions[example][:4], contexts[example]
        spans = reference_windows(question, context, max_seq_length, stride)
        rows = windows.of_example(example)
        starts, lengths = windows.starts[rows], windows.lengths[rows]
        found = list(zip(starts.tolist(), lengths.tolist(), strict=True))
        # run_squad makes no window of an empty context, and so gives no answer.
        assert found == (spans or [(0, 0)])
        best_seen = windows.is_max_context(example)
        for index, row in enumerate(rows):
            start, length = found[index]
            part = context[start : start + length].tolist()
            ids = [CLS, *question.tolist(), SEP, *part, SEP]
            assert windows.ids(row).tolist() == ids
            assert len(ids) <= max_seq_length
            segments = [0] * (len(question) + 2) + [1] * (length + 1)
            assert windows.segment_ids(row).tolist() == segments
            offset = windows.context_offsets[row]
            assert ids[offset : offset + length] == part
            assert best_seen[index].tolist() == [
                reference_is_max_context(spans, index, start + piece)
                for piece in range(length)
            ]
        # Every piece is best seen once.
        counts = collections.Counter(
            start + piece
            for (start, _), seen in zip(found, best_seen, strict=True)
            for piece in np.flatnonzero(seen)
        )
        assert counts == collections.Counter(range(size))


def test_long_documents_without_questions():
    windows = Windows.build(make([5, 0, 3]), VOCABULARY, max_seq_length=6, doc_stride=2)
    assert windows.examples.tolist() == [0, 0, 1, 2]
    assert windows.ids(1).tolist() == [CLS, 7, 8, 9, SEP]
    assert windows.segment_ids(1).tolist() == [0] * 5
    assert windows.ids(2).tolist() == [CLS, SEP]
    assert len(windows) == 4
    assert len(Windows.build(make([]), VOCABULARY, max_seq_length=6, doc_stride=2)) == 0


def test_several_questions_on_one_context():
    contexts = make([3, 2])
    windows = Windows.build(
        contexts,
        VOCABULARY,
        questions=make([1, 1, 1], start=50),
        context_of=np.array([1, 0, 1]),
        max_seq_length=100,
        doc_stride=50,
    )
    rows = [windows.ids(row).tolist() for row in range(3)]
    assert rows == [
        [CLS, 55, SEP, 8, 9, SEP],
        [CLS, 56, SEP, 5, 6, 7, SEP],
        [CLS, 57, SEP, 8, 9, SEP],
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_seq_length": 67}, "`max_seq_length` must be more than 67.*: 67"),
        ({"max_seq_length": 384, "doc_stride": 0}, "`doc_stride` must be at least 1"),
    ],
)
def test_settings_without_room(settings, message):
    with pytest.raises(InputError, match=message):
        Windows.build(
            make([3]), VOCABULARY, questions=make([1]), **{"doc_stride": 1, **settings}
        )
    with pytest.raises(InputError, match="more than 2"):
        Windows.build(make([3]), VOCABULARY, max_seq_length=2, doc_stride=1)


def text_of(num_pieces, generator):
    """A text of pieces of one to three letters, some of them with a blank between."""
    starts, ends, text = [], [], ""
    for _ in range(num_pieces):
        text += " " * generator.integers(0, 3)
        starts.append(len(text))
        text += "".join(generator.choice(list("abé京"), generator.integers(1, 4)))
        ends.append(len(text))
    return text + " ", np.array(starts, int), np.array(ends, int)


def one_example(num_pieces, max_seq_length, stride):
    return Windows.build(
        make([num_pieces]),
        VOCABULARY,
        questions=make([3]),
        max_seq_length=max_seq_length,
        doc_stride=stride,
        max_query_length=3,
    )


@given(
    st.integers(1, 50), st.integers(10, 24), st.integers(1, 8), st.integers(0, 10**6)
)
@settings(deadline=None)
def test_every_answer_comes_back(num_pieces, max_seq_length, stride, seed):
    generator = np.random.default_rng(seed)
    text, starts, ends = text_of(num_pieces, generator)
    room = max_seq_length - 6
    # Longer ones may lie in no window whole.
    length = int(generator.integers(1, max(room - stride, 0) + 2))
    first = int(generator.integers(0, num_pieces))
    last = min(first + length, num_pieces) - 1
    answer = int(starts[first]), int(ends[last])
    windows = one_example(num_pieces, max_seq_length, stride)
    positions = answer_positions(windows, 0, starts, ends, answer)
    held = positions[:, 0] > 0
    assert held.any()
    assert (positions[~held] == 0).all()
    for row in np.flatnonzero(held):
        shift = windows.starts[row] - windows.context_offsets[row]
        piece_range = positions[row] + shift
        assert piece_range.tolist() == [first, last]

    # A model that is sure of these positions gives this answer.
    logits = np.zeros((2, len(windows), max_seq_length))
    for row in np.flatnonzero(held):
        logits[0, row, positions[row, 0]] = logits[1, row, positions[row, 1]] = 9
    scores = score_answers(
        windows, 0, text, starts, ends, *logits, max_answer_length=room
    )
    seen = windows.is_max_context(0)
    if any(
        seen[row][positions[row, 0] - windows.context_offsets[row]]
        for row in np.flatnonzero(held)
    ):
        best = scores.n_best[0]
        assert (best.start, best.end) == answer
        assert scores.best() == best.text == text[answer[0] : answer[1]]


def test_parts_of_pieces_make_the_whole_pieces_the_answer():
    # "19" of "19th", which is one piece.
    windows = one_example(3, 20, 5)
    starts, ends = np.array([0, 4, 9]), np.array([3, 8, 12])
    assert answer_positions(windows, 0, starts, ends, (4, 6)).tolist() == [[6, 6]]
    assert answer_positions(windows, 0, starts, ends, (2, 6)).tolist() == [[5, 6]]
    # What holds no piece, or no answer, points at [CLS].
    assert answer_positions(windows, 0, starts, ends, (3, 4)).tolist() == [[0, 0]]
    assert answer_positions(windows, 0, starts, ends, None).tolist() == [[0, 0]]


def reference_n_best(windows, text, starts, ends, start_logits, end_logits, longest):
    """run_squad's candidates, all of them, likeliest first."""
    rows = windows.of_example(0)
    spans = [(int(windows.starts[r]), int(windows.lengths[r])) for r in rows]
    found = {}
    for row, (start, length) in enumerate(spans):
        offset = int(windows.context_offsets[row])
        for i in range(length):
            for j in range(i, min(i + longest, length)):
                if reference_is_max_context(spans, row, start + i):
                    score = start_logits[row][offset + i] + end_logits[row][offset + j]
                    answer = text[starts[start + i] : ends[start + j]]
                    found[answer] = max(found.get(answer, -np.inf), score)
    null = min(s[0] + e[0] for s, e in zip(start_logits, end_logits, strict=True))
    return sorted(found.items(), key=lambda item: -item[1]), null


@given(st.integers(0, 10**6))
@settings(deadline=None)
def test_answers_are_run_squads(seed):
    generator = np.random.default_rng(seed)
    num_pieces = int(generator.integers(1, 30))
    text, starts, ends = text_of(num_pieces, generator)
    windows = one_example(num_pieces, 16, int(generator.integers(1, 8)))
    # Wider than the windows, as a padded batch is.
    logits = generator.normal(size=(2, len(windows), 20))
    longest = int(generator.integers(1, 12))
    expected, null = reference_n_best(windows, text, starts, ends, *logits, longest)
    scores = score_answers(
        windows,
        0,
        text,
        starts,
        ends,
        *logits,
        n_best_size=10**6,
        max_answer_length=longest,
        with_no_answer=True,
    )
    assert [answer.text for answer in scores.n_best] == [text for text, _ in expected]
    found = [answer.score for answer in scores.n_best]
    np.testing.assert_allclose(found, [score for _, score in expected])
    assert scores.null_score == null
    every = np.exp([*found, null])
    probabilities = [answer.probability for answer in scores.n_best]
    np.testing.assert_allclose(probabilities, every[:-1] / every.sum())
    for answer in scores.n_best:
        assert text[answer.start : answer.end] == answer.text
    few = score_answers(
        windows, 0, text, starts, ends, *logits,
        n_best_size=3, max_answer_length=longest,
    )  # fmt: skip
    assert len(few.n_best) <= 3
    probability = sum(answer.probability for answer in few.n_best)
    assert not few.n_best or probability == pytest.approx(1)


def test_thresholds():
    windows = one_example(2, 20, 5)
    text, starts, ends = "ab cd", np.array([0, 3]), np.array([2, 5])
    start_logits, end_logits = np.zeros((2, 1, 8))
    start_logits[0, [0, 5]] = 3.0, 2.0
    scores = score_answers(windows, 0, text, starts, ends, start_logits, end_logits)
    assert scores.n_best[0].text == "ab"  # Of "ab" and "ab cd", which score the same.
    assert scores.null_score_difference == 1.0
    assert scores.best() == "ab"
    assert scores.best(null_score_diff_threshold=0.0) == ""
    assert scores.best(null_score_diff_threshold=1.0) == "ab"
    # A context without pieces.
    windows = one_example(0, 20, 5)
    logits = np.zeros((2, 1, 8))
    scores = score_answers(windows, 0, " ", starts[:0], ends[:0], *logits)
    assert scores.n_best == ()
    assert scores.best() == scores.best(0.0) == ""
    assert scores.null_score_difference == np.inf
