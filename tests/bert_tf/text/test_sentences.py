"""Where running text ends its sentences, in scripts that sentencex knows and not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf.text.sentences import find_sentences, split_text


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        # Tibetan: shads, with and without spaces; a head mark begins the text.
        (
            "bo",
            [
                "༄༅། །བཀྲ་ཤིས་བདེ་ལེགས།",
                "ཁྱེད་རང་ག་པར་འགྲོ། །",
                "ང་ནང་ལ་འགྲོ་གི་ཡོད༎",
                "ལེགས་སོ༏ ༏",
                "ཡིན།",
            ],
        ),
        # Khmer: khan and bariyoosan; "and so on" has khans but ends nothing.
        (
            "km",
            [
                "មនុស្សទាំងអស់ កើតមកមានសេរីភាព។",
                "គេមានពូជសាសន៍ ពណ៌សម្បុរ ភេទ ។ល។ ដូចគ្នា ។",
                "«គ្មានការរើសអើងឡើយ។»",
                "ចប់៕",
            ],
        ),
        # Ethiopic: the full stop, two word spaces or two colons in its place.
        ("ti", ["ኩሎም ሰባት ነፃን ማዕርን እዮም፡፡", "ኦለዎም፡ ፡", "ሰናይ::", "እወ።", "ኣሎ"]),
        # Burmese: section marks end sentences, little sections and the genitive don't.
        (
            "my",
            [
                "လူတိုင်းသည် တူညီ၊ လွတ်လပ်သော ဂုဏ်ဖြင့်လည်းကောင်း၊ မွေးဖွားသည်။",
                "နိုင်ငံ၏ လွတ်လပ်ရေး၏ အခြေခံ ဖြစ်၏။",
                "ပြီးပြီ။",
            ],
        ),
        ("jv", ["ꦱꦧꦼꦤ꧀ꦲꦸꦮꦺꦴꦁ꧈ ꦭꦲꦶꦂ꧉", "ꦏꦧꦺꦃ꧉"]),
        ("hi", ["सभी मनुष्य स्वतंत्र हैं।", "उन्हें बुद्धि प्राप्त है॥"]),
        ("en", ["Ratio a::b, see std::map.", "It ended: well."]),
    ],
)
@pytest.mark.parametrize("given_language", ["same", "en"])
def test_marks_of_other_scripts(language, sentences, given_language):
    language = language if given_language == "same" else "en"
    assert list(split_text(" ".join(sentences), language)) == sentences


def test_without_spaces_after_the_marks():
    assert list(split_text("ནང་ལ་འགྲོ།ལེགས་སོ།", "bo")) == ["ནང་ལ་འགྲོ།", "ལེགས་སོ།"]
    assert list(split_text("សេរីភាព។ចប់៕", "km")) == ["សេរីភាព។", "ចប់៕"]


def test_marks_alone_are_kept():
    assert list(split_text("། ། ༎", "bo")) == ["། ། ༎"]
    assert list(split_text("។", "km")) == ["។"]


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u202f", "\u3000", " \u2009\t"])
@pytest.mark.parametrize("language", ["en", "fr", "zh"])
def test_blanks_of_several_bytes_behind_an_initial(blank, language):
    """Unmended, sentencex panics, which no `except Exception` sees."""
    text = f"Vitamin C{blank}. Then J{blank}. Doe came{blank}. He left."
    found = list(split_text(text, language))
    assert [sentence.split() for sentence in found] == [
        sentence.split() for sentence in split_text(text.replace(blank, " "), language)
    ]
    assert found[0].startswith(f"Vitamin C{blank}.")


@given(
    st.text(
        st.sampled_from(
            "aB. !?\n\t\u3000\u2028\x1c\x85\u200b\"'()\u0301é猫。🐦\u0f0d 1A"
        ),
        max_size=60,
    )
)
def test_sentences_are_found_back_in_their_text(text):
    spans = find_sentences(text, "en")
    found = [text[start:end] for start, end in spans]
    assert found == list(split_text(text, "en"))
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    between = [
        text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    assert not any(map(str.strip, between))
