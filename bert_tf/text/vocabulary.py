"""A vocabulary: `vocab.txt`, and `tokenizer_config.json` beside it."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bert_tf.errors import InputError
from bert_tf.storage.files import atomic_path, read_bytes
from bert_tf.text.special_tokens import (
    CLS,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    SUFFIX_INDICATOR,
    UNK,
)
from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME, TokenizerConfig
from bert_tf.text.tokenizer_json import TOKENIZER_JSON_NAME

_REPLACE = (
    "Put an entry like '[unused0]', one that is not there yet, in its place: so the "
    "others keep their ids."
)
MAX_BYTES_PER_ENTRY = 256
"""The most that tf-text's WordPiece takes, without `SUFFIX_INDICATOR`."""
VOCABULARY_NAME = "vocab.txt"


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Entries by id, and what happens to text before it is split into them.

    Attributes:
        entries: an entry's id is its place here.
        config: case and accents.
        files: `vocab.txt` and `tokenizer_config.json` by name, to the byte.
    """

    entries: tuple[str, ...]
    config: TokenizerConfig
    files: Mapping[str, bytes] = dataclasses.field(repr=False, compare=False)

    @classmethod
    def from_entries(
        cls,
        entries: Sequence[str],
        config: TokenizerConfig,
        source: str = "vocabulary",
    ) -> Self:
        """Builds a vocabulary that was in no `vocab.txt` before.

        Args:
            entries: by id.
            config: case and accents.
            source: what to call the entries in an error.

        Raises:
            InputError: an entry that such a file can't hold, a repeated one, or one of
                `SPECIAL_TOKENS` missing.
        """
        _check_entries(entries, source)
        content = "".join(f"{entry}\n" for entry in entries).encode("utf-8")
        return cls(
            tuple(entries),
            config,
            {VOCABULARY_NAME: content, TOKENIZER_CONFIG_NAME: config.to_json()},
        )

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Reads the two files of a folder.

        Raises:
            InputError: a fault in either file, named.
            OSError: there is no `vocab.txt`.
        """
        return cls.load_file(Path(directory) / VOCABULARY_NAME)

    @classmethod
    def load_file(
        cls, path: str | os.PathLike[str], config: TokenizerConfig | None = None
    ) -> Self:
        """Reads a `vocab.txt` of any name.

        Args:
            path: the file.
            config: case and accents; None for what `TokenizerConfig.load` finds beside
                the file.

        Raises:
            InputError: a fault in either file, named.
            OSError: there is no such file.
        """
        content = read_bytes(path)
        entries = _parse_entries(content, source=os.fspath(path))
        beside = Path(path).parent
        # What a tokenizer.json says would stay behind when the file is copied.
        keep = config is None and not (beside / TOKENIZER_JSON_NAME).is_file()
        config = config or TokenizerConfig.load(beside)
        settings = (
            read_bytes(beside / TOKENIZER_CONFIG_NAME) if keep else config.to_json()
        )
        contents = {VOCABULARY_NAME: content, TOKENIZER_CONFIG_NAME: settings}
        return cls(entries, config, contents)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the two files into a folder, each atomically."""
        self.save_file(Path(directory) / VOCABULARY_NAME)

    def save_file(self, path: str | os.PathLike[str]) -> None:
        """Writes a `vocab.txt` of any name, and `tokenizer_config.json` beside it."""
        # The settings first: entries without them would be read in another way.
        for place, content in (
            (Path(path).with_name(TOKENIZER_CONFIG_NAME), TOKENIZER_CONFIG_NAME),
            (Path(path), VOCABULARY_NAME),
        ):
            with atomic_path(place) as temporary:
                temporary.write_bytes(self.files[content])

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def hash(self) -> str:
        """The SHA-256 of `vocab.txt`, in hexadecimal."""
        return hashlib.sha256(self.files[VOCABULARY_NAME]).hexdigest()

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which ids a text becomes, as JSON takes it."""
        return {
            "vocab_hash": self.hash,
            "do_lower_case": self.config.do_lower_case,
            "strip_accents": self.config.strips_accents,
        }

    @property
    def pad_id(self) -> int:
        """The id of [PAD], which fills up a sequence."""
        return self.entries.index(PAD)

    @property
    def unk_id(self) -> int:
        """The id of [UNK], which stands for a word that has no pieces."""
        return self.entries.index(UNK)

    @property
    def cls_id(self) -> int:
        """The id of [CLS], which begins a sequence."""
        return self.entries.index(CLS)

    @property
    def sep_id(self) -> int:
        """The id of [SEP], which ends a segment."""
        return self.entries.index(SEP)

    @property
    def mask_id(self) -> int:
        """The id of [MASK], which hides a token."""
        return self.entries.index(MASK)


def load_entries(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Reads a `vocab.txt` alone: one entry a line, its id the line's number from 0.

    Raises:
        InputError: not UTF-8, Windows line ends, a blank or repeated entry, or one of
            `SPECIAL_TOKENS` missing.
    """
    return _parse_entries(read_bytes(path), source=os.fspath(path))


def _parse_entries(content: bytes, source: str) -> tuple[str, ...]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: not UTF-8 at byte {error.start}. Expected a text file with one "
            "vocabulary entry a line."
        ) from error
    # Not `splitlines`: an entry may hold U+2028 and other ends that only it knows.
    entries = text.removesuffix("\n").split("\n")
    _check_entries(entries, source)
    return tuple(entries)


def _check_entries(entries: Sequence[str], source: str) -> None:
    """Raises an InputError that names the fault and its line, if there is one."""
    lines: dict[str, int] = {}
    for line, entry in enumerate(entries, start=1):
        if not entry:
            raise InputError(f"{source}: line {line} is blank. Remove it.")
        _check_entry(entry, f"{source}: line {line}")
        if entry.endswith("\r"):
            raise InputError(
                f"{source}: line {line} ends in a carriage return. Convert the file "
                "to Unix line ends."
            )
        if entry in lines:
            raise InputError(
                f"{source}: lines {lines[entry]} and {line} are both {entry!r}. "
                "Every entry must be unique."
            )
        lines[entry] = line
    missing = [token for token in SPECIAL_TOKENS if token not in lines]
    if missing:
        raise InputError(
            f"{source}: no {', '.join(missing)} among {len(entries)} entries. BERT "
            f"needs all of {' '.join(SPECIAL_TOKENS)}."
        )


def _check_entry(entry: str, place: str) -> None:
    """Raises an InputError over an entry that the tokenizer or a file can't hold."""
    if found := [character for character in "\n\0" if character in entry]:
        raise InputError(f"{place} holds the character {found[0]!r}. {_REPLACE}")
    try:
        num_bytes = len(entry.removeprefix(SUFFIX_INDICATOR).encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError(f"{place} is not Unicode: {entry!a}. {_REPLACE}") from None
    if num_bytes > MAX_BYTES_PER_ENTRY:
        raise InputError(
            f"{place} has {num_bytes} bytes, the tokenizer takes at most "
            f"{MAX_BYTES_PER_ENTRY}: {entry[:20]!r}... {_REPLACE}"
        )
