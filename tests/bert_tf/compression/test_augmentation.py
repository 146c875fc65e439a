"""Variants of texts: what is masked, what may stand there, and the job."""

import subprocess
import sys

import pytest

from bert_tf.checkpoints import conversion
from bert_tf.compression.augmentation import WordReplacer


class Guesses:
    """Says the same of every mask, and remembers what it was asked."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.asked = []

    def predict(self, texts):
        self.asked += texts
        guesses = [{"token": t} for t in ("##x", ".", "liver", "kidney")]
        return [{"masks": [guesses] * text.count("[MASK]")} for text in texts]


@pytest.fixture
def replacer(make_vocabulary):
    def make(copies=3, replace_share=1.0, seed=0):
        guesses = Guesses(make_vocabulary("heart", "the", "of", "##s"))
        settings = {"copies": copies, "replace_share": replace_share, "seed": seed}
        return guesses, WordReplacer(guesses, **settings)

    return make


def test_single_entries_are_replaced_and_all_else_stays(replacer):
    guesses, replace = replacer(copies=30)
    ((*variants,),) = replace.variants(["The  Heart, hearts of 7 [MASK]s!"])
    assert guesses.asked == [
        "[MASK]  Heart, hearts of 7 [MASK]s!",
        "The  [MASK], hearts of 7 [MASK]s!",
        "The  Heart, hearts [MASK] 7 [MASK]s!",
    ]
    words = ("liver", "kidney")
    assert sorted(variants) == sorted(
        f"{a}  {b}, hearts {c} 7 [MASK]s!" for a in words for b in words for c in words
    )


def test_draws_are_a_texts_own(replacer):
    texts = ["the heart", "of the heart of the heart", "unknown words"]
    found = list(replacer(replace_share=0.4)[1].variants(texts))
    assert found == list(replacer(replace_share=0.4)[1].variants(texts[::-1]))[::-1]
    assert found != list(replacer(replace_share=0.4, seed=1)[1].variants(texts))
    assert found[2] == []
    for text, variants in zip(texts, found, strict=True):
        assert text not in variants and len({*variants}) == len(variants) <= 3
    assert list(replacer(replace_share=0.0)[1].variants(texts)) == [[], [], []]


@pytest.mark.slow
def test_the_job(make_weights, tmp_path):
    conversion.save(make_weights(), tmp_path / "model", "native")
    (tmp_path / "texts.csv").write_text("text\nof the heart\n\nthe of\n")

    def run(name):
        result = subprocess.run(
            [
                *(sys.executable, "-m", "bert_tf.augment_texts"),
                f"--checkpoint={tmp_path / 'model'}",
                f"--input_file={tmp_path / 'texts.csv'}",
                f"--output_file={tmp_path / name}",
                "--copies=4",
            ],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout, (tmp_path / name).read_text()

    output, text = run("first.txt")
    lines = text.splitlines()
    assert f"Wrote {len(lines)} variants of 2 texts to" in output
    assert all(len(line.split()) in (2, 3) for line in lines)
    assert run("second.txt")[1] == text
