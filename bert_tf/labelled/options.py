"""How files of labelled data are read."""

import dataclasses
from typing import Self

from bert_tf.errors import check
from bert_tf.labelled import tagging
from bert_tf.labelled.columns import ColumnNames
from bert_tf.labelled.delimited import QUOTINGS
from bert_tf.labelled.examples import MAX_SENTENCES

FORMATS = ("auto", "delimited", "json", "parquet", "lines", "conll", "squad")


@dataclasses.dataclass
class ReadOptions:
    """How files become examples.

    Attributes:
        columns: which column is what.
        input_format: one of `FORMATS`; `auto` goes by the file's ending, and so do
            files without targets whose ending says a format.
        quoting: of CSV and TSV: `auto`, `standard` or `none`; see `DelimitedFile`.
        bad_tags: `error` or `repair`; see `tagging.to_iob2`.
        language: ISO 639 code that guides the splitting of documents into sentences.
        max_summary_sentences: labelled in a document that has a summary and no labels.
    """

    columns: ColumnNames = dataclasses.field(default_factory=ColumnNames)
    input_format: str = "auto"
    quoting: str = "auto"
    bad_tags: str = "error"
    language: str = "en"
    max_summary_sentences: int = MAX_SENTENCES

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name, allowed in (
            ("input_format", FORMATS),
            ("quoting", QUOTINGS),
            ("bad_tags", tagging.BAD_TAGS),
        ):
            check(self, name, getattr(self, name) in allowed, f"one of {allowed}")
        sentences = self.max_summary_sentences
        check(self, "max_summary_sentences", sentences >= 1, "at least 1")
        return self
