"""Documents as runs of whole sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.errors import InputError
from bert_tf.text.pieces import Pieces
from bert_tf.text.sentence_windows import SentenceWindows
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_entries([*SPECIAL_TOKENS, "a"], TokenizerConfig())
CLS, SEP = VOCABULARY.cls_id, VOCABULARY.sep_id


def build(documents, **settings):
    lengths = [length for document in documents for length in document]
    splits = np.cumsum([0, *lengths])
    pieces = Pieces(10 + np.arange(splits[-1], dtype=np.int32), splits)
    counts = np.array([len(document) for document in documents], int)
    return SentenceWindows.build(pieces, counts, VOCABULARY, **settings), pieces


def test_an_example():
    windows, _ = build([[2, 0, 1], [5]], max_seq_length=8, max_sentence_length=4)
    assert windows.documents.tolist() == [0, 0, 1]
    assert windows.input_ids.tolist() == [
        *(CLS, 10, 11, SEP, CLS, SEP),
        *(CLS, 12, SEP),
        *(CLS, 13, 14, 15, 16, SEP),
    ]
    assert windows.segment_ids.tolist() == [0] * 4 + [1] * 2 + [0] * 3 + [0] * 6
    assert windows.cls_positions.tolist() == [0, 4, 0, 0]
    assert windows.sentence_splits.tolist() == [0, 2, 3, 4]
    assert windows.row_splits.tolist() == [0, 6, 9, 15]
    assert windows.num_cut == 1


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=9), max_size=4),
    st.integers(3, 20),
    st.integers(1, 15),
)
@settings(deadline=None)
def test_every_sentence_has_its_place(documents, max_seq_length, longest):
    windows, pieces = build(
        documents, max_seq_length=max_seq_length, max_sentence_length=longest
    )
    document_of = np.repeat(
        np.arange(len(documents)), np.array([len(d) for d in documents], int)
    )
    assert windows.sentence_splits[-1] == len(pieces)
    assert len(windows.cls_positions) == len(pieces)
    num_cut = 0
    for number in range(len(windows)):
        row = slice(windows.row_splits[number], windows.row_splits[number + 1])
        ids, segments = windows.input_ids[row], windows.segment_ids[row]
        assert len(ids) <= max_seq_length
        first, last = windows.sentence_splits[number : number + 2]
        assert set(document_of[first:last]) == {windows.documents[number]}
        expected, turns = [], []
        for turn, sentence in enumerate(range(first, last)):
            assert windows.cls_positions[sentence] == len(expected)
            part = pieces[sentence][: min(longest, max_seq_length - 2)].tolist()
            expected += [CLS, *part, SEP]
            turns += [turn % 2] * (len(part) + 2)
        num_cut += (pieces.lengths[first:last] > min(longest, max_seq_length - 2)).any()
        assert ids.tolist() == expected
        assert segments.tolist() == turns
        # The next sentence of the document would not have fitted.
        if last < len(pieces) and document_of[last] == windows.documents[number]:
            following = min(int(pieces.lengths[last]), longest, max_seq_length - 2)
            assert len(ids) + following + 2 > max_seq_length
    assert windows.num_cut == num_cut


def test_no_room():
    with pytest.raises(InputError, match="`max_seq_length` must be at least 3.*: 2"):
        build([[1]], max_seq_length=2)
