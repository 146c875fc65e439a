"""The labels of a task: names by id, counts, and what is odd about them."""

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from bert_tf.errors import InputError
from bert_tf.labelled.examples import (
    ClassificationExample,
    MultiLabelExample,
    Place,
    TaggedSentence,
)
from bert_tf.labelled.tagging import OUTSIDE


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """Names of labels by id, 0 to the number of labels.

    Attributes:
        names: each once.
    """

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_names(cls, found: Iterable[str], given: Sequence[str] = ()) -> Self:
        """Builds the map of the labels that occur.

        Args:
            found: labels of the training data, any number of times, in any order.
            given: names in the order wanted; otherwise numbers are sorted as numbers,
                and anything else as text.

        Raises:
            InputError: a name is given twice, or one that occurs is not given.
        """
        names = set(found)
        if given:
            unknown = sorted(names - set(given))
            if unknown:
                raise InputError(
                    f"The labels given, {list(given)}, lack {unknown[0]!r}, which the "
                    "training data has. Add it or correct the data."
                )
            if len(set(given)) < len(given):
                raise InputError(f"A label is given twice. Received: {list(given)}")
            return cls(tuple(given))
        if all(re.fullmatch(r"[-+]?\d+(\.\d+)?", name, re.ASCII) for name in names):
            return cls(tuple(sorted(names, key=lambda name: (float(name), name))))
        return cls(tuple(sorted(names)))

    @classmethod
    def from_tags(cls, sentences: Iterable[TaggedSentence]) -> Self:
        """Builds the map of the tags of a data set, complete where they are IOB2.

        Every type of entity gets its B- and its I-, since what is evaluated may have
        the one that the training data lacks. O comes first.
        """
        found = {tag for sentence in sentences for tag in sentence.tags or ()}
        types = {tag[2:] for tag in found if tag.startswith(("B-", "I-"))}
        if types and found == {tag for tag in found if tag[:2] in ("B-", "I-", "O")}:
            pairs = (f"{prefix}-{name}" for name in sorted(types) for prefix in "BI")
            return cls((OUTSIDE, *pairs))
        return cls.from_names(found)

    def ids(self, labels: Sequence[str], places: Sequence[Place]) -> np.ndarray:
        """Returns the ids of labels, int32 `[len(labels)]`.

        Args:
            labels: names.
            places: where each was read.

        Raises:
            InputError: a label that the map lacks.
        """
        ids = {name: index for index, name in enumerate(self.names)}
        result = np.empty(len(labels), np.int32)
        for index, (label, place) in enumerate(zip(labels, places, strict=True)):
            found = ids.get(label)
            if found is None:
                unknown = sum(name not in ids for name in labels)
                known = ", ".join(map(repr, self.names[:20]))
                known += ", ..." if len(self) > 20 else ""
                raise InputError(
                    f"{place}: label {label!r} is not among the {len(self)} that the "
                    f"model was trained on: {known}. {unknown:,} such labels in all. "
                    "Correct them, or train on data that has them."
                )
            result[index] = found
        return result


@dataclasses.dataclass(frozen=True)
class LabelStatistics:
    """How often each label occurs among examples.

    Attributes:
        label_map: the labels.
        counts: int64 `[labels]`, examples (or words) with each label.
        num_examples: all of them.
    """

    label_map: LabelMap
    counts: np.ndarray
    num_examples: int

    @classmethod
    def of(cls, label_map: LabelMap, ids: np.ndarray, num_examples: int) -> Self:
        """Counts ids of labels."""
        counts = np.bincount(ids, minlength=len(label_map))
        return cls(label_map, counts, num_examples)

    def class_weights(self) -> np.ndarray:
        """Returns weights under which every class counts the same, float32 `[labels]`.

        They are 1 on average over the examples; a class without any weighs nothing.

        Source: King and Zeng 2001, "Logistic regression in rare events data"; the
        `balanced` weights of scikit-learn.
        """
        present = self.counts > 0
        weights = np.zeros(len(self.counts), np.float32)
        weights[present] = self.counts.sum() / (present.sum() * self.counts[present])
        return weights

    def check_trainable(self, what: str = "training data") -> None:
        """Raises an InputError if there is nothing to tell apart."""
        if (self.counts > 0).sum() < 2:
            names = [self.label_map.names[i] for i in np.flatnonzero(self.counts)]
            raise InputError(
                f"All {self.num_examples:,} examples of the {what} have the label "
                f"{', '.join(map(repr, names)) or 'of none'}: there is nothing to "
                "learn. Give data with two labels or more; is it the right column?"
            )

    def lines(self) -> list[str]:
        """Returns the counts, and what is odd about them, as lines of text."""
        order = np.argsort(-self.counts, kind="stable")
        total = max(int(self.counts.sum()), 1)
        shown = [
            f"{self.label_map.names[i]} {self.counts[i]:,} "
            f"({self.counts[i] / total:.1%})"
            for i in order[:10]
        ]
        more = f", and {len(order) - 10} rarer ones" if len(order) > 10 else ""
        lines = [f"{len(order)} labels: {', '.join(shown)}{more}"]
        for number, words in ((1, "have one example only"), (0, "have no example")):
            names = [self.label_map.names[i] for i in order if self.counts[i] == number]
            if names:
                some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
                lines.append(f"warning: {len(names)} labels {words}: {some}")
        return lines


def class_labels(
    examples: Sequence[ClassificationExample],
) -> tuple[list[str], list[Place]]:
    """Returns the label of each example, and its place."""
    labels = []
    for example in examples:
        assert example.label is not None
        labels.append(example.label)
    return labels, [example.place for example in examples]


def multi_hot(examples: Sequence[MultiLabelExample], label_map: LabelMap) -> np.ndarray:
    """Returns which labels apply, float32 `[examples, labels]`, 1.0 or 0.0.

    Raises:
        InputError: a label that the map lacks.
    """
    flat = [label for example in examples for label in example.labels or ()]
    counts = [len(example.labels or ()) for example in examples]
    places = [example.place for example in examples]
    rows = np.repeat(np.arange(len(examples)), counts)
    result = np.zeros((len(examples), len(label_map)), np.float32)
    result[rows, label_map.ids(flat, [places[row] for row in rows])] = 1.0
    return result


def count_conflicts(examples: Sequence[ClassificationExample]) -> int:
    """Returns how many texts occur with more than one label."""
    labels: dict[tuple[str, ...], set[str | None]] = collections.defaultdict(set)
    for example in examples:
        labels[example.key].add(example.label)
    return sum(len(found) > 1 for found in labels.values())
