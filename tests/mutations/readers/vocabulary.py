"""A vocabulary with its tokenizer's settings."""

import json
from pathlib import Path

from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from readers.reader import Parts, Reader

WORDS = "the of heart ##s ##ache card ##iac caf ##\u00e9 \u5fc3 \u2028 ##i".split(" ")
VOCABULARY = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, *WORDS], TokenizerConfig(do_lower_case=False)
)


def read_vocabulary(folder: Path) -> Parts:
    vocabulary = Vocabulary.load(folder)
    return {"entries": vocabulary.entries, "config": vocabulary.config}


def vocabulary_says(folder: Path) -> Parts:
    text = (folder / "vocab.txt").read_bytes().decode("utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    return {
        "entries": tuple(text.removesuffix("\n").split("\n")),
        "config": TokenizerConfig(
            settings.get("do_lower_case", True), settings.get("strip_accents")
        ),
    }


READERS = [Reader("vocabulary", VOCABULARY.save, read_vocabulary, vocabulary_says)]
