"""Words as corpora of tagged sentences have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf.text.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('He (Peter) said: "no!"', 'He|(|Peter|)|said|:|"|no|!|"'),
        ("EU's and James' well-known AT&T.", "EU|'s|and|James|'|well-known|AT&T|."),
        ("The U.S. and J. Smith, e.g. in L.A.", "The|U.S.|and|J.|Smith|,|e.g.|in|L.A."),
        ("It cost $3.50, or 1,000.", "It|cost|$|3.50|,|or|1,000|."),
        ("我在北京abc呢。", "我|在|北|京|abc|呢|。"),
        ("हिन्दी में e\u0301t\u00e9\u3000x", "हिन्दी|में|e\u0301té|x"),
        ("👍🏽 ... -", "👍|🏽|.|.|.|-"),
        ("", ""),
    ],
)
def test_words(text, words):
    found = [text[start:end] for start, end in split_words(text)]
    assert "|".join(found) == words


@given(st.text())
def test_every_character_belongs_to_one_word(text):
    covered = [i for span in split_words(text) for i in range(*span)]
    assert covered == [i for i, c in enumerate(text) if not c.isspace()]
