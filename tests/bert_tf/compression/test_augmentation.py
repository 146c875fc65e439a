"""Variants of texts: what is masked, what may stand there, and the job."""

import json

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


def test_the_texts_of_a_pair_stay_apart(replacer):
    guesses, replace = replacer(copies=30)
    ((*variants,),) = replace.variants(["the heart\nof 7"])
    assert guesses.asked[1] == "the [MASK]\nof 7"
    assert "liver kidney\nliver 7" in variants
    assert all(variant.endswith(" 7") for variant in variants)
    assert {len(variant.split("\n")) for variant in variants} == {2}


@pytest.fixture
def run_job(make_weights, tmp_path, warm):
    conversion.save(make_weights(), tmp_path / "model", "native")

    def run(texts, output):
        return warm.run(
            [
                *("-m", "bert_tf.augment_texts", "--copies=4"),
                f"--checkpoint={tmp_path / 'model'}",
                f"--input_file={texts}",
                f"--output_file={tmp_path / output}",
            ]
        )

    return run


@pytest.mark.slow
def test_the_job(run_job, tmp_path):
    (tmp_path / "texts.csv").write_text("text\nof the heart\n\nthe of\n")

    def run(name):
        result = run_job(tmp_path / "texts.csv", name)
        assert result.returncode == 0, result.stderr
        return result.stdout, (tmp_path / name).read_text()

    output, text = run("first.txt")
    lines = text.splitlines()
    assert f"Wrote {len(lines)} variants of 2 texts to" in output
    assert all(len(line.split()) in (2, 3) for line in lines)
    assert run("second.txt")[1] == text
    assert run("third.csv")[1] == "\n".join(["text", *lines, ""])


@pytest.mark.slow
def test_pairs_become_pairs(run_job, tmp_path):
    pairs, texts = tmp_path / "pairs.csv", tmp_path / "texts.txt"
    pairs.write_text("premise,hypothesis,label\nof the heart,the of the,1\n")
    texts.write_text("of the heart\n")
    result = run_job(pairs, "more.jsonl")
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "more.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert f"Wrote {len(rows)} variants of 1 texts to" in result.stdout
    for row in rows:
        assert [*row] == ["text", "text_pair"]
        assert all(len(text.split()) == 3 for text in row.values())
    assert len({row["text"] for row in rows}) > 1
    assert len({row["text_pair"] for row in rows}) > 1
    for inputs, output, message in (
        (pairs, "more.txt", "--output_file must be a .jsonl, .csv or .parquet file"),
        (f"{pairs},{texts}", "both.csv", "holds both single texts and pairs of texts"),
    ):
        result = run_job(inputs, output)
        assert result.returncode == 1 and message in result.stderr
        assert not (tmp_path / output).exists()
