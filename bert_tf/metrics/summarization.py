"""Summaries beside those that people wrote."""

from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.inputs import check_same_length

_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge_metrics(
    predictions: Sequence[str], references: Sequence[str]
) -> dict[str, float]:
    """Scores summaries by the words and word sequences that they share.

    Words are stemmed as English ones, and only runs of ASCII letters and digits count
    as words: the figures say little of other languages, and nothing of other scripts.

    Args:
        predictions: a summary of each text, its sentences on lines of their own.
        references: the true summaries, likewise.

    Returns:
        The mean F1 of `rouge1` (words), `rouge2` (pairs of words), `rougeL` (longest
        common subsequence) and `rougeLsum` (the same by sentences, which papers on
        summarization call ROUGE-L).

    Source: Google's rouge-score; Lin 2004, "ROUGE: A Package for Automatic Evaluation
    of Summaries".
    """
    from rouge_score import rouge_scorer, tokenizers

    check_same_length(predictions=predictions, references=references)
    # Its own default, of which it would write a line to the log each time.
    words = tokenizers.DefaultTokenizer(use_stemmer=True)
    scorer = rouge_scorer.RougeScorer(_TYPES, tokenizer=words)
    scores = [
        scorer.score(reference, prediction)
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return {t: float(np.mean([score[t].fmeasure for score in scores])) for t in _TYPES}
