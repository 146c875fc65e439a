import math
from collections import Counter

import pytest

from bert_tf.metrics.generation import translation_metrics

PREDICTIONS = ["the cat sat on the mat", "Two small words, then"]
REFERENCES = ["the cat sat on a mat", "two small words, then more"]


def bleu(predictions, references):
    """Papineni et al. 2002, section 2.3; no match is missing here."""
    log_precision = 0.0
    for n in range(1, 5):
        right = total = 0
        for text, reference in zip(predictions, references, strict=True):
            grams, wanted = (
                Counter(zip(*(words[i:] for i in range(n)), strict=False))
                for words in (text.split(), reference.split())
            )
            right += (grams & wanted).total()
            total += grams.total()
        log_precision += math.log(right / total) / 4
    lengths = [sum(len(t.split()) for t in ts) for ts in (predictions, references)]
    penalty = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(log_precision + penalty)


def chrf(predictions, references):
    """Popović 2015, section 2, with beta 2, over the whole corpus."""
    scores = []
    for n in range(1, 7):
        right = written = true = 0
        for text, reference in zip(predictions, references, strict=True):
            grams, wanted = (
                Counter(t[i : i + n] for i in range(len(t) - n + 1))
                for t in (text.replace(" ", ""), reference.replace(" ", ""))
            )
            right += (grams & wanted).total()
            written += grams.total()
            true += wanted.total()
        precision, recall = right / written, right / true
        scores.append(5 * precision * recall / (4 * precision + recall))
    return 100 * sum(scores) / len(scores)


@pytest.mark.parametrize("lower_case", [False, True])
def test_by_their_definitions(lower_case):
    found = translation_metrics(PREDICTIONS, REFERENCES, lower_case=lower_case)
    texts = PREDICTIONS, REFERENCES
    if lower_case:
        texts = [[text.lower() for text in side] for side in texts]
    # The comma is a word of its own.
    words = [[text.replace(",", " ,") for text in side] for side in texts]
    assert found.values["bleu"] == pytest.approx(bleu(*words))
    assert found.values["chrf"] == pytest.approx(chrf(*texts), abs=0.5)
    case = "lc" if lower_case else "mixed"
    for name in ("bleu", "chrf"):
        assert f"case:{case}" in found.signatures[name]
        assert "version:" in found.signatures[name]


def test_blanks_do_not_change_chrf():
    spaced = [text.replace(",", " ,") for text in PREDICTIONS]
    one, other = (translation_metrics(t, REFERENCES) for t in (PREDICTIONS, spaced))
    assert one.values["chrf"] == other.values["chrf"]


def test_nothing_shared_and_nothing_to_score():
    found = translation_metrics(["x y z w"], ["a b c d"]).values
    assert found["chrf"] == 0.0 and found["bleu"] < 10
    with pytest.raises(ValueError, match="same number"):
        translation_metrics(["a"], [])
