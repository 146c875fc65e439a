"""Which column of a file is what: as the user says, or by the usual names."""

import dataclasses
from collections.abc import Sequence

from bert_tf.errors import InputError


@dataclasses.dataclass
class ColumnNames:
    """Columns of a table, or keys of JSON records; empty ones are found by name.

    A column of a file without a header is given by its number, from 1.

    Attributes:
        text: the only or the first text; the common part of multiple choice.
        text_pair: the second text; for multiple choice what begins every choice.
        label: the class, or the right choice.
        labels: any number of labels: one column with a list, or with text divided by
            one of `,;|`; or several columns, comma separated, of 0 and 1.
        value: the number to predict.
        words: list of words, or text divided by blanks.
        tags: each word's tag, as `words`.
        id: the question's.
        question: what is asked.
        context: the text that holds the answer.
        answers: `{"text": [...], "answer_start": [...]}`, as SQuAD has it.
        choices: one column with a list, or several, comma separated.
        sentences: list of sentences, or text to split into some.
        sentence_labels: for each sentence 1 or 0.
        summary: a reference summary.
        target: the text to write: a translation, a summary, an answer.
    """

    text: str = ""
    text_pair: str = ""
    label: str = ""
    labels: str = ""
    value: str = ""
    words: str = ""
    tags: str = ""
    id: str = ""
    question: str = ""
    context: str = ""
    answers: str = ""
    choices: str = ""
    sentences: str = ""
    sentence_labels: str = ""
    summary: str = ""
    target: str = ""

    @property
    def numbers(self) -> bool:
        """Whether columns are given by number: the file has no header."""
        given = ",".join(filter(None, dataclasses.astuple(self))).split(",")
        return all(name.strip().isdecimal() for name in given)


# Usual names, likelier ones first; a list of several is a group of columns.
_LABEL = (
    *("label", "labels", "target", "class", "category", "sentiment", "intent"),
    *("topic", "emotion", "gold_label", "label_text", "coarse_label", "rating"),
    *("stars", "polarity", "toxicity", "is_duplicate", "y"),
)
_TEXT = (
    *("text", "sentence", "review", "content", "document", "body", "comment"),
    *("comment_text", "tweet", "message", "utterance", "query", "question"),
    *("review_text", "reviewtext", "review_body", "description", "headline"),
    *("title", "abstract", "premise", "input", "phrase", "string"),
)
_FIRST = ("article", "passage", "context", "sent1", "ctx", "startphrase")
_USUAL: dict[str, tuple[str, ...]] = {
    "text": _TEXT,
    "text_pair": (),
    "label": _LABEL,
    "labels": ("labels", "label", "tags", "categories", "topics", "genres", "emotions"),
    "value": ("value", "score", "target", "similarity", "similarity_score", *_LABEL),
    "words": ("words", "tokens"),
    "tags": ("tags", "ner_tags", "pos_tags", "labels", "label"),
    # No "word" and "tag": such tables have a word a line, which is another format.
    "id": ("id", "qas_id", "question_id", "example_id", "guid"),
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph", "document", "text"),
    "answers": ("answers", "answer"),
    "choices": ("choices", "options", "endings", "candidates", "answers"),
    "sentences": ("sentences", "document", "article", "text", "src"),
    "sentence_labels": ("sentence_labels", "labels", "label", "oracle"),
    "summary": ("summary", "abstract", "highlights", "reference", "target", "tgt"),
    "target": (
        *("target", "tgt", "translation", "summary", "highlights", "answer"),
        *("response", "output", "reference"),
    ),
}
# What something is written of.
_SOURCE = ("source", "src", "article", "dialogue", "context", "passage", *_TEXT)
_SOURCE_PAIRS = (
    *(("text", "text_pair"), ("question", "context"), ("question", "passage")),
    *(("question", "document"), ("query", "passage"), ("query", "document")),
)
# The texts of well-known pair tasks.
_PAIRS = (
    *(("text", "text_pair"), ("sentence1", "sentence2"), ("sentence_1", "sentence_2")),
    *(("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2")),
    *(("text_a", "text_b"), ("sentence_a", "sentence_b"), ("question", "sentence")),
    *(("query", "passage"), ("query", "document"), ("anchor", "positive")),
    *(("string1", "string2"), ("question", "answer")),
)
_CHOICE_GROUPS = (
    ("ending0", "ending1", "ending2", "ending3"),
    ("choice1", "choice2"),
    ("sol1", "sol2"),
    ("option1", "option2"),
    ("answer0", "answer1", "answer2", "answer3"),
    ("answera", "answerb", "answerc"),
    ("a", "b", "c", "d"),
)


class ColumnFinder:
    """Finds columns and notes how.

    Args:
        path: the file, for messages.
        available: its columns.
        given: the user's names.
    """

    def __init__(self, path: str, available: Sequence[str], given: ColumnNames) -> None:
        self._path = path
        self._available = list(available)
        self._given = given
        self._by_lower = {name.strip().lower(): name for name in reversed(available)}
        self.found: dict[str, list[str]] = {}

    def texts(self) -> tuple[str, str | None]:
        """Returns the column of the text, and that of the second text of pairs."""
        return self._pair(_PAIRS) or (self.one("text"), self.maybe("text_pair"))

    def sources(self) -> tuple[str, str | None]:
        """Returns the columns of what something is written of, as `texts` does."""
        pair = self._pair(_SOURCE_PAIRS)
        if pair is None and self.maybe("text", *_SOURCE) is not None:
            return self.found["text"][0], self.maybe("text_pair")
        return pair or self.texts()

    def _pair(self, usual: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        """Returns the first pair of columns that is there, if the user names none."""
        if self._given.text or self._given.text_pair:
            return None
        for names in usual:
            if all(name in self._by_lower for name in names):
                first, second = (self._by_lower[name] for name in names)
                self.found |= {"text": [first], "text_pair": [second]}
                return first, second
        return None

    def one(self, field: str) -> str:
        """Returns the column of a field.

        Raises:
            InputError: there is none.
        """
        column = self.maybe(field)
        if column is None:
            raise InputError(
                f"{self._path}: no column for `{field}`. columns.{field} names it "
                "(or gives its number, from 1, in a file without a header). "
                f"Received: {self._available}"
            )
        return column

    def maybe(self, field: str, *usual: str) -> str | None:
        """Returns the column of a field, or None if the file has none.

        Args:
            field: of `ColumnNames`.
            usual: names to look for instead of the field's usual ones.

        Raises:
            InputError: the user's own name is no column.
        """
        given = getattr(self._given, field)
        if given:
            self.found[field] = self._own(field, [given])
            return self.found[field][0]
        return self._by_usual_name(field, usual)

    def if_there(self, field: str) -> str | None:
        """Returns the column of a field, which the file may lack even if it is named.

        The user named the columns of the files to train on; to predict, a model needs
        only some of them.
        """
        if getattr(self._given, field) in self._available:
            return self.maybe(field)
        return self._by_usual_name(field)

    def _by_usual_name(self, field: str, usual: Sequence[str] = ()) -> str | None:
        taken = {name for names in self.found.values() for name in names}
        for name in usual or _USUAL[field]:
            column = self._by_lower.get(name)
            if column is not None and column not in taken:
                self.found[field] = [column]
                return column
        return None

    def several(self, field: str) -> list[str]:
        """Returns the one column with a list, or the several, of a field.

        Raises:
            InputError: there is none.
        """
        given = getattr(self._given, field)
        if "," in given and given not in self._available:
            names = [name.strip() for name in given.split(",")]
            self.found[field] = self._own(field, names)
        elif field == "choices" and not given:
            for group in _CHOICE_GROUPS:
                if all(name in self._by_lower for name in group):
                    self.found[field] = [self._by_lower[name] for name in group]
                    break
        return self.found.get(field) or [self.one(field)]

    def prompt(self) -> tuple[str, str | None]:
        """Returns the columns of a multiple choice's text and of what follows it."""
        if self._given.text:
            return self.one("text"), self.maybe("text_pair")
        first = self.maybe("text", *_FIRST)
        if first is None:
            return self.one("text"), self.maybe("text_pair")
        return first, self.maybe("text_pair", "sent2", "question", "query")

    def note(self) -> str:
        """Returns a line that says which columns are read."""
        columns = ", ".join(
            f"{field}={','.join(names)}" for field, names in self.found.items()
        )
        left = [
            name
            for name in self._available
            if not any(name in names for names in self.found.values())
        ]
        return f"columns {columns}" + (f"; not read: {', '.join(left)}" if left else "")

    def _own(self, field: str, names: list[str]) -> list[str]:
        for name in names:
            if name not in self._available:
                raise InputError(
                    f"{self._path}: no column {name!r}, which columns.{field} names. "
                    f"Received: {self._available}"
                )
        return names
