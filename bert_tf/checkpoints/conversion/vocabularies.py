"""Vocabularies and tokenizer settings as they travel with weights."""

from collections.abc import Sequence
from pathlib import Path

from bert_tf.text.vocabulary import (
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG_NAME,
    VOCABULARY_NAME,
    TokenizerConfig,
    load_vocabulary,
)


def read_beside(folder: Path) -> tuple[list[str] | None, TokenizerConfig]:
    """Returns the vocabulary and the tokenizer's settings that a folder holds.

    Returns:
        `(entries, settings)`; the entries are None where there is no `vocab.txt`, and
        the settings guessed from the entries where no file states them.
    """
    path = folder / VOCABULARY_NAME
    vocabulary = load_vocabulary(path) if path.is_file() else None
    return vocabulary, read_settings(folder, vocabulary)


def read_settings(folder: Path, vocabulary: Sequence[str] | None) -> TokenizerConfig:
    """Returns the settings that a folder states, or else that its entries suggest.

    An entry with a capital letter shows that text was not lower-cased.
    """
    if (folder / TOKENIZER_CONFIG_NAME).is_file():
        return TokenizerConfig.load(folder)
    words = [
        entry
        for entry in vocabulary or ()
        if entry not in SPECIAL_TOKENS and not entry.startswith("[unused")
    ]
    return TokenizerConfig(do_lower_case=all(word == word.lower() for word in words))


def write_beside(
    folder: Path, vocabulary: Sequence[str] | None, settings: TokenizerConfig
) -> None:
    """Writes `vocab.txt`, where there is a vocabulary, and `tokenizer_config.json`."""
    if vocabulary is not None:
        text = "".join(f"{entry}\n" for entry in vocabulary)
        (folder / VOCABULARY_NAME).write_bytes(text.encode("utf-8"))
    settings.save(folder)
