"""Vocabularies as they travel with weights."""

from pathlib import Path

from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import VOCABULARY_NAME, Vocabulary, load_entries


def read_beside(folder: Path) -> Vocabulary | None:
    """Returns the vocabulary that a folder holds; None without a `vocab.txt`."""
    path = folder / VOCABULARY_NAME
    return read_file(path) if path.is_file() else None


def read_file(path: Path) -> Vocabulary:
    """Reads a `vocab.txt`, guessing its settings where no file beside it says them."""
    if TokenizerConfig.find(path.parent) is not None:
        return Vocabulary.load_file(path)
    return Vocabulary.load_file(path, TokenizerConfig.guess(load_entries(path)))
