"""Words and pieces, and entities found back in the text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.text.alignment import (
    Entity,
    find_entities,
    first_pieces,
    label_pieces,
    words_of_pieces,
)
from bert_tf.text.pieces import tokenize_texts
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.words import split_words

SPANS = [(0, 3), (4, 6), (6, 7), (9, 12)]


def test_words_of_pieces():
    #           word 0  word 0  word 1  1 and 2  blank  word 3
    starts = np.array([0, 2, 4, 5, 7, 8, 13])
    ends = np.array([2, 3, 5, 7, 8, 10, 14])
    words = words_of_pieces(SPANS, starts, ends)
    assert words.tolist() == [0, 0, 1, 1, -1, 3, -1]
    assert words.dtype == np.int32
    assert first_pieces(words, 4).tolist() == [0, 2, -1, 5]
    labels = np.array([7, 8, 9, 6])
    assert label_pieces(words, labels).tolist() == [7, -1, 8, -1, -1, 6, -1]
    everywhere = label_pieces(words, labels, all_pieces=True)
    assert everywhere.tolist() == [7, 7, 8, 8, -1, 6, -1]
    assert words_of_pieces([], starts, ends).tolist() == [-1] * 7
    assert words_of_pieces(SPANS, starts[:0], ends[:0]).tolist() == []
    assert label_pieces(words_of_pieces([], starts, ends), labels[:0]).max() == -1


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("O O O O", []),
        ("B-X I-X O B-Y", [("X", 0, 6), ("Y", 9, 12)]),
        ("B-X B-X I-X I-X", [("X", 0, 3), ("X", 4, 12)]),
        ("I-X I-Y O I-Y", [("X", 0, 3), ("Y", 4, 6), ("Y", 9, 12)]),
        ("B-A-B I-A-B B-A I-A-B", [("A-B", 0, 6), ("A", 6, 7), ("A-B", 9, 12)]),
    ],
)
def test_entities(tags, entities):
    assert list(find_entities(tags.split(), SPANS)) == [Entity(*e) for e in entities]


@pytest.fixture(scope="module")
def tokenizer():
    letters = [*"abcdefghijklmnopqrstuvwxyz.,!'()-", *"北京한국"]
    entries = [*SPECIAL_TOKENS, *letters, *("##" + c for c in letters)]
    return BertTokenizer(Vocabulary.from_entries(entries, TokenizerConfig()))


WORDS = [
    "Ünal",
    "E\u0301va's",
    "(U.S.)",
    "北京",
    "한국",
    "x\u200by",
    "👍🏽",
    "ﬁ",
    "a-b",
    "İx",
]
GAPS = [" ", "  ", "\t", "\u00a0", "\u3000", ", "]


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), max_size=8))
@settings(max_examples=60, deadline=None)
def test_entities_are_found_back_character_for_character(tokenizer, parts):
    text = "".join(word + gap for word, gap in parts)
    spans = list(split_words(text))
    pieces = tokenize_texts(tokenizer, [text], with_offsets=True, num_threads=1)
    words = words_of_pieces(spans, *pieces.offsets(0))
    first = first_pieces(words, len(spans))
    # Only a word of symbols that BERT joins to the one before has no piece of its own.
    for (start, end), piece in zip(spans, first, strict=True):
        assert piece >= 0 or text[start:end] == "🏽"
    # Every word is an entity of its own; labels go to pieces and come back.
    labels = np.arange(len(spans))
    on_pieces = label_pieces(words, labels)
    assert sorted(on_pieces[on_pieces >= 0]) == labels[first >= 0].tolist()
    tags = ["B-X" if piece >= 0 else "I-X" for piece in first]
    found = [text[start:end] for _, start, end in find_entities(tags, spans)]
    expected = []
    for (start, end), piece in zip(spans, first, strict=True):
        if piece >= 0:
            expected.append((start, end))
        else:
            expected[-1] = (expected[-1][0], end)
    assert found == [text[start:end] for start, end in expected]
