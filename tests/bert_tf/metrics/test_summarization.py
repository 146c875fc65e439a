import pytest

from bert_tf.metrics.summarization import rouge_metrics


def test_by_hand():
    figures = rouge_metrics(["the cat sat\non a mat"], ["a mat\nthe cats sat down"])
    # 5 of 6 and of 6 words ("cats" has the stem of "cat"); pairs: the-cat, cat-sat,
    # a-mat of 5 and 5.
    assert figures["rouge1"] == pytest.approx(5 / 6)
    assert figures["rouge2"] == pytest.approx(3 / 5)
    # In order as a whole: the cat sat; sentence by sentence: all five.
    assert figures["rougeL"] == pytest.approx(3 / 6)
    assert figures["rougeLsum"] == pytest.approx(5 / 6)


def test_the_mean_is_over_texts():
    figures = rouge_metrics(["same words", "nothing"], ["same words", "else"])
    assert set(figures.values()) == {0.5}


def test_empty_summaries_score_nothing():
    assert set(rouge_metrics(["", "words"], ["words", ""]).values()) == {0.0}
