"""A tag a word: named entities and other spans, marked by B-, I- and O tags."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bert_tf.metrics.classification import ClassFigures, macro_f1, total
from bert_tf.metrics.inputs import check_same_length

Tags = Sequence[Sequence[str]]
Span = tuple[int, str, int, int]


def mark_spans(tag_names: Iterable[str]) -> bool:
    """Tells whether tags mark spans, as B-PER does, and not words, as NOUN does."""
    return all(tag == "O" or tag.startswith(("B-", "I-")) for tag in tag_names)


def tagging_metrics(
    predictions: Tags, labels: Tags, *, strict: bool = False
) -> dict[str, float]:
    """Scores spans, which are right where their type, first and last word are.

    Args:
        predictions: a tag for each word of each sentence, such as "B-PER" or "O".
        labels: the true ones, of the same lengths.
        strict: demand IOB2, in which no span begins with an I- tag. Otherwise an I- tag
            after O or after another type begins one, as in CoNLL's own scorer.

    Returns:
        `precision`, `recall` and `f1` of all spans, `f1_macro`, the mean over the types
        that occur, all 0.0 if there is no span; and `accuracy`, the share of words
        whose tag is right.

    Source: seqeval in its default mode; if strict, in mode "strict" with scheme IOB2.
    """
    figures = per_type(predictions, labels, strict=strict)
    together = total(figures)
    pairs = [
        (tag, label)
        for tags, truth in zip(predictions, labels, strict=True)
        for tag, label in zip(tags, truth, strict=True)
    ]
    return {
        "precision": together.precision,
        "recall": together.recall,
        "f1": together.f1,
        "f1_macro": macro_f1(figures),
        "accuracy": sum(tag == label for tag, label in pairs) / max(len(pairs), 1),
    }


def per_type(
    predictions: Tags, labels: Tags, *, strict: bool = False
) -> list[ClassFigures]:
    """Scores each type of span by itself, in alphabetical order.

    Args:
        predictions: as for `tagging_metrics`.
        labels: as for `tagging_metrics`.
        strict: as for `tagging_metrics`.
    """
    check_same_length(predictions=predictions, labels=labels)
    predicted_spans = set(_spans(predictions, strict))
    true_spans = set(_spans(labels, strict))
    predicted = Counter(span[1] for span in predicted_spans)
    support = Counter(span[1] for span in true_spans)
    correct = Counter(span[1] for span in predicted_spans & true_spans)
    return [
        ClassFigures(name, correct[name], support[name], predicted[name])
        for name in sorted(predicted | support)
    ]


def _spans(sentences: Tags, strict: bool) -> Iterator[Span]:
    """Yields (sentence, type, first word, last word) of each span."""
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.scheme import IOB2, Tokens

    for number, sentence in enumerate(sentences):
        tags = list(sentence)
        if not mark_spans(tags):
            raise ValueError(
                f"Expected B-, I- and O tags. Received: {sorted(set(tags))}"
            )
        if strict:
            for span in Tokens(tags, IOB2).entities:
                yield number, span.tag, span.start, span.end - 1
        else:
            for name, first, last in get_entities(tags):
                yield number, name, first, last
