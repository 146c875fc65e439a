"""Texts that a model wrote beside those that people wrote of the same."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_tf.metrics.inputs import check_same_length


class TranslationMetrics(NamedTuple):
    """How near translations are to the true ones, over all texts together.

    Attributes:
        values: `bleu` and `chrf`, 0 to 100 as everywhere in the field.
        signatures: of each, all that decides about its value, to quote beside it.
    """

    values: dict[str, float]
    signatures: dict[str, str]


def translation_metrics(
    predictions: Sequence[str], references: Sequence[str], *, lower_case: bool = False
) -> TranslationMetrics:
    """Scores translations by the sequences of words and characters that they share.

    chrF counts no blanks, so it does not matter how a text is divided into words.

    Args:
        predictions: a translation of each text.
        references: the true ones.
        lower_case: whether both are compared in lower case, as of models that write
            nothing else.

    Source: Post 2018, "A Call for Clarity in Reporting BLEU Scores", and its sacrebleu;
    Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """
    from sacrebleu.metrics import BLEU, CHRF

    check_same_length(predictions=predictions, references=references)
    values, signatures = {}, {}
    for name, metric in (
        ("bleu", BLEU(lowercase=lower_case)),
        ("chrf", CHRF(lowercase=lower_case)),
    ):
        found = metric.corpus_score(list(predictions), [list(references)])
        values[name] = float(found.score)
        signatures[name] = str(metric.get_signature())
    return TranslationMetrics(values, signatures)
