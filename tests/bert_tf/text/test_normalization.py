"""The normalizer's table against Hugging Face's normalizer, character by character."""

import itertools
import sys
import unicodedata

import pytest
import tensorflow_text as tf_text
from tokenizers import normalizers

from bert_tf.text import normalization

# Every assigned character, and of the planes of private use the ends.
CODES = [*range(0xD800), *range(0xE000, 0x34000), *range(0xE0000, 0xE1000), 0x10FFFD]
CHARACTERS = [chr(code) for code in CODES]
SETTINGS = list(itertools.product((True, False), repeat=2))


def normalize(texts, do_lower_case, strip_accents):
    model = normalization.normalizer_model(do_lower_case, strip_accents)
    normalizer = tf_text.FastBertNormalizer(model_buffer=model)
    return [text.decode() for text in normalizer.normalize(texts).numpy()]


def is_explained(character):
    """Whether tables of another Unicode version, or private use, may differ here."""
    return (
        # google-research/bert removes only Cc and Cf, Hugging Face all of C.
        unicodedata.category(character) == "Co"
        # Python's Unicode is newer than the one in Hugging Face's Rust libraries.
        or unicodedata.ucd_3_2_0.category(character) == "Cn"
        # Unicode 9 made the first two non-spacing marks, 14 the third a spacing one.
        or character in "\u1885\u1886\u1734"
    )


@pytest.mark.parametrize(("do_lower_case", "strip_accents"), SETTINGS)
def test_every_character_becomes_what_hugging_face_makes_of_it(
    do_lower_case, strip_accents
):
    texts = [f"a{character}b" for character in CHARACTERS]
    reference = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=False,
        strip_accents=strip_accents,
        lowercase=do_lower_case,
    )
    different = [
        character
        for character, text, ours in zip(
            CHARACTERS,
            texts,
            normalize(texts, do_lower_case, strip_accents),
            strict=True,
        )
        # Which kind of blank separates words is of no consequence.
        if ours.split() != reference.normalize_str(text).split()
    ]
    assert [c for c in different if not is_explained(c)] == []
    # Explanations that covered everything would prove nothing.
    assert sum(unicodedata.category(c) != "Co" for c in different) < 700


@pytest.mark.parametrize(
    ("text", "lower", "strip", "expected"),
    [
        # What NFKC case folding, tf-text's own table, would change.
        ("Straße，½ ﬁ Ａ", True, True, "straße，½ ﬁ ａ"),
        ("Ünïcode ÀÉ", True, True, "unicode ae"),
        ("Ünïcode ÀÉ", True, False, "ünïcode àé"),
        ("Ünïcode ÀÉ", False, True, "Unicode AE"),
        ("Ünïcode ÀÉ", False, False, "Ünïcode ÀÉ"),
        ("İstanbul", True, True, "istanbul"),
        # Soft hyphen, joiners, byte order mark, NUL, U+FFFD: gone, not blanks.
        ("a\u00adb\u200dc\u200ed\ufeffe\0f\ufffdg\x07h", False, False, "abcdefgh"),
        ("a\tb\nc\rd", True, True, "a\tb\nc\rd"),
        ("각", True, True, "\u1100\u1161\u11a8"),
        ("मुंबई", True, True, "मबई"),
        ("", True, True, ""),
    ],
)
def test_what_bert_does_to_text(text, lower, strip, expected):
    assert normalize([text], lower, strip) == [expected]


def test_no_character_outside_the_ranges_changes():
    inside = set(itertools.chain(*normalization.CHANGING_RANGES))
    outside = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if code not in inside and not 0xD800 <= code < 0xE000
    ]
    assert len(outside) > 900_000
    assert all(normalization.normalize_character(c, True, True) == c for c in outside)
    assert all(normalization.normalize_character(c, False, False) == c for c in outside)
