"""The kinds of labelled examples, as values that know where they came from.

Targets are None where a file has none, as it may in prediction.
"""

import dataclasses
from typing import NamedTuple


class Place(NamedTuple):
    """Where an example was read.

    Attributes:
        path: the file.
        number: of the line, row or record, from 1.
        unit: what is numbered.
    """

    path: str
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.path}: {self.unit} {self.number:,}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What all kinds have.

    Attributes:
        place: where it was read.
    """

    place: Place

    @property
    def key(self) -> tuple[str, ...]:
        """The inputs: two examples with the same key are duplicates."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        """Whether a text of it is blank."""
        return not all(map(str.strip, self.key))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TextExample(Example):
    """A text or a pair of texts without a target, as embeddings take it.

    Attributes:
        text: the only or the first text.
        text_pair: the second text.
    """

    text: str
    text_pair: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The texts."""
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TextLine(TextExample):
    """A line of a document, as language models read text; a blank one ends it."""

    @property
    def is_empty(self) -> bool:
        """Never: a blank line says something."""
        return False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationExample(TextExample):
    """A text, or a pair, of one class.

    Attributes:
        label: the class's name.
    """

    label: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabelExample(TextExample):
    """A text, or a pair, to which any number of labels apply.

    Attributes:
        labels: names, each once; perhaps none.
    """

    labels: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegressionExample(TextExample):
    """A text, or a pair, and a number.

    Attributes:
        value: the target, finite.
    """

    value: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GenerationExample(TextExample):
    """A text, or a pair such as question and passage, and what is to be written.

    Attributes:
        target: a translation, a summary, an answer.
    """

    target: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether a text of it is blank, the target too."""
        texts = self.key if self.target is None else (*self.key, self.target)
        return not all(map(str.strip, texts))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaggedSentence(Example):
    """Words with a tag each, for token classification.

    Attributes:
        text: the sentence as it is written, or its words joined by blanks.
        spans: each word's start and end in `text`, in characters.
        tags: each word's; entities as IOB2 (`B-PER`, `I-PER`, `O`).
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    tags: tuple[str, ...] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words themselves."""
        return tuple(self.text[start:end] for start, end in self.spans)

    @property
    def key(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    @property
    def is_empty(self) -> bool:
        """Whether it has no word."""
        return not any(map(str.strip, self.key))


class Answer(NamedTuple):
    """An answer as it stands in the context.

    Attributes:
        text: `context[start : start + len(text)]`.
        start: of its first character.
    """

    text: str
    start: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuestionExample(Example):
    """A question about a text, for extractive question answering.

    Attributes:
        id: the question's, unique in its file; predictions are written under it.
        question: what is asked.
        context: the text that may hold the answer.
        answers: right answers; empty where the context has none.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Question and context."""
        return self.question, self.context


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceExample(Example):
    """A text and continuations or answers of which one is right.

    Attributes:
        text: what all choices have in common.
        choices: two or more.
        label: index of the right one.
    """

    text: str
    choices: tuple[str, ...]
    label: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The text and the choices."""
        return self.text, *self.choices


MAX_SENTENCES = 3
"""How many sentences of a document make its summary at most, if nobody says."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SummarizationExample(Example):
    """A document whose most important sentences are wanted.

    Attributes:
        sentences: of the document, in order.
        spans: each one's start and end in the running text that they were found in, in
            characters; none where the sentences themselves were given.
        labels: for each sentence whether it belongs to the summary.
        summary: one written by a person, to compare with.
    """

    sentences: tuple[str, ...]
    spans: tuple[tuple[int, int], ...] = ()
    labels: tuple[bool, ...] | None = None
    summary: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The sentences."""
        return self.sentences

    @property
    def is_empty(self) -> bool:
        """Whether it has no sentence."""
        return not any(map(str.strip, self.key))
