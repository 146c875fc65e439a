"""Pieces are found back in the original text, character for character."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bert_tf.text.normalization import normalize_character
from bert_tf.text.pieces import Pieces, tokenize_texts
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

TEXTS = [
    "Naïve  façade,\tStraße\u00a0Łódź İİx ΟΔΟΣ ẞß Å",
    "e\u0301 a\u0308\u0323b combining; \u0301lonely x\u0301",
    "한국어 문장입니다. 각각",
    "北京\u0301是，「很大」！ 東京ﾃﾚﾋﾞ①②",
    "👩‍👩‍👧‍👦 family 🇩🇪 👍🏽 ☃️",
    "zero\u200bwidth\u200b soft\u00adhyphen\u00ad bell\x07 a\u200b\u0301b",
    "nul\0 \ufffd repl\ufffd",
    "কোথায় ொ हिन्दी में 𑄮 ﬁ ½ Ⅷ",
    "a\u2028b\x85c",
]
CASES = [
    TokenizerConfig(do_lower_case=True),
    TokenizerConfig(do_lower_case=False),
    TokenizerConfig(do_lower_case=True, strip_accents=False),
    TokenizerConfig(do_lower_case=False, strip_accents=True),
]


def normalized(text, config):
    return "".join(
        normalize_character(c, config.do_lower_case, config.strips_accents)
        for c in text
    )


def is_blank(character):
    return character.isspace() or unicodedata.category(character) in ("Zs", "Zl", "Zp")


@pytest.fixture(scope="module", params=CASES, ids=str)
def tokenizer(request):
    config = request.param
    letters = sorted({c for text in TEXTS for c in normalized(text, config)})
    words = [word for text in TEXTS for word in normalized(text, config).split()]
    pairs = sorted({word[i : i + 2] for word in words for i in range(len(word) - 1)})
    # Without every seventh letter, so that some words are unknown.
    known = [c for n, c in enumerate(letters) if not is_blank(c) and n % 7]
    entries = [*known, *("##" + c for c in known), *pairs, *("##" + p for p in pairs)]
    entries = [*SPECIAL_TOKENS, *dict.fromkeys(entries)]
    return BertTokenizer(Vocabulary.from_entries(entries, config))


def check(tokenizer, text):
    vocabulary, config = tokenizer.vocabulary, tokenizer.vocabulary.config
    pieces = tokenize_texts(tokenizer, [text], with_offsets=True, num_threads=1)
    starts, ends = pieces.offsets(0)
    rows = list(zip(pieces[0].tolist(), starts.tolist(), ends.tolist(), strict=True))
    covered = set()
    before = 0
    for piece, start, end in rows:
        assert 0 <= start < end <= len(text)
        # Neighbors share no more than one character, which became several letters,
        # and the marks on it.
        shared = text[start:before]
        assert not normalized(shared[1:], config)
        assert not shared or len(normalized(shared, config)) > 1
        entry = vocabulary.entries[piece].removeprefix("##")
        letters = normalized(text[start:end], config)
        if piece != vocabulary.unk_id:
            assert entry in letters
            # What is too much is the rest of the first and last character.
            first, last = normalized(text[start], config), text[start + 1 : end]
            last = next((c for c in reversed(last) if normalized(c, config)), "")
            assert len(letters) - len(entry) < len(first + normalized(last, config))
        # The ends are letters, or marks on them.
        assert normalized(text[start], config)
        tail = text[end - 1]
        assert normalized(tail, config) or unicodedata.category(tail) == "Mn"
        covered.update(range(start, end))
        before = end
    for index, character in enumerate(text):
        if normalized(character, config) and not is_blank(character):
            assert index in covered, (index, character)
    return rows


@pytest.mark.parametrize("text", TEXTS)
def test_samples(tokenizer, text):
    assert check(tokenizer, text)


@pytest.mark.slow
@given(
    st.text(
        st.one_of(
            st.sampled_from(sorted(set("".join(TEXTS)))),
            st.characters(codec="utf-8"),
        ),
        max_size=40,
    )
)
@example("한\u0301")
@settings(max_examples=150, deadline=None)
def test_any_text(tokenizer, text):
    check(tokenizer, text)


def spans(tokenizer, text):
    return [text[start:end] for _, start, end in check(tokenizer, text)]


def test_what_belongs_to_a_piece():
    def find(text, *entries, **config):
        vocabulary = Vocabulary.from_entries(
            [*SPECIAL_TOKENS, *entries], TokenizerConfig(**config)
        )
        return spans(BertTokenizer(vocabulary), text)

    # Accents are part of their letter, format characters of nothing.
    text = "E\u0301a\u200b \u00ada\u00ade\u0301\u0323\x07 \u0301a"
    assert find(text, "e", "a", "##a", "##e") == [
        *("E\u0301", "a", "a", "e\u0301\u0323", "a")
    ]
    # A syllable that is cut is part of both its pieces.
    assert find("한국 국", "\u1112\u1161", "##\u11ab\u1100", "##\u116e\u11a8") == [
        *("한", "한국", "국", "국")
    ]
    # A word without pieces is one, without what was dropped around it.
    assert find("\u200bx\u200by\u0301\u200b a", "a") == ["x\u200by\u0301", "a"]
    assert find("İx İ", "i", "##x", "##\u0307", strip_accents=False) == [
        *("İ", "İ", "x", "İ", "İ")
    ]


def test_threads_and_batches_change_nothing(tokenizer, monkeypatch):
    texts = TEXTS * 5 + [""]
    expected = [
        tokenize_texts(tokenizer, [text], with_offsets=True, num_threads=1)
        for text in texts
    ]
    monkeypatch.setattr("bert_tf.text.pieces._CALL_CHARACTERS", 100)
    found = tokenize_texts(tokenizer, texts, with_offsets=True, num_threads=3)
    plain = tokenize_texts(tokenizer, texts)
    assert len(found) == len(plain) == len(texts)
    assert plain.starts is None
    np.testing.assert_array_equal(plain.row_splits, found.row_splits)
    for index, alone in enumerate(expected):
        np.testing.assert_array_equal(found[index], alone[0])
        np.testing.assert_array_equal(plain[index], alone[0])
        np.testing.assert_array_equal(found.offsets(index), alone.offsets(0))
    assert found.lengths.tolist() == [len(found[i]) for i in range(len(texts))]


def test_no_texts(tokenizer):
    for with_offsets in (False, True):
        pieces = tokenize_texts(tokenizer, [], with_offsets=with_offsets)
        assert len(pieces) == 0
        assert pieces.ids.dtype == np.int32
        pieces = tokenize_texts(tokenizer, ["", " "], with_offsets=with_offsets)
        assert pieces.lengths.tolist() == [0, 0]
    assert len(Pieces.concatenate([])) == 0
