"""What a tokenizer is made from: `vocab.txt`, and `tokenizer_config.json` beside it."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import read_json

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
SUFFIX_INDICATOR = "##"
VOCABULARY_NAME = "vocab.txt"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"


@dataclasses.dataclass(frozen=True)
class TokenizerConfig:
    """What happens to text before it is split into pieces.

    Attributes:
        do_lower_case: whether to lower-case.
        strip_accents: whether to drop combining marks; None does as `do_lower_case`.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None

    @property
    def strips_accents(self) -> bool:
        """`strip_accents` with None resolved."""
        if self.strip_accents is None:
            return self.do_lower_case
        return self.strip_accents

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes `tokenizer_config.json`, which Hugging Face reads too."""
        values = {
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": True,
            "tokenizer_class": "BertTokenizer",
        }
        text = json.dumps(values, indent=2) + "\n"
        files.write_text(Path(directory) / TOKENIZER_CONFIG_NAME, text)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Reads `tokenizer_config.json`, ours or Hugging Face's.

        Raises:
            InputError: no such file, not JSON, or settings that BERT does not have.
        """
        path = Path(directory) / TOKENIZER_CONFIG_NAME
        try:
            values = read_json(path)
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: no such file. It says how the vocabulary beside it treats "
                'case, for instance {"do_lower_case": true}.'
            ) from error
        lower, strip = values.get("do_lower_case", True), values.get("strip_accents")
        if not isinstance(lower, bool):
            raise InputError(
                f"{path}: do_lower_case must be true or false. Received: {lower!r}"
            )
        if strip is not None and not isinstance(strip, bool):
            raise InputError(
                f"{path}: strip_accents must be true, false or null. "
                f"Received: {strip!r}"
            )
        if values.get("tokenize_chinese_chars", True) is not True:
            raise InputError(
                f"{path}: tokenize_chinese_chars must be true: BERT's tokenizer always "
                "makes a word of each CJK ideograph. "
                f"Received: {values['tokenize_chinese_chars']!r}"
            )
        return cls(do_lower_case=lower, strip_accents=strip)


def load_vocabulary(path: str | os.PathLike[str]) -> list[str]:
    """Reads a `vocab.txt`: one entry a line, its id the line's number from 0.

    Args:
        path: the file.

    Raises:
        InputError: not UTF-8, Windows line ends, a blank or repeated entry, or one of
            `SPECIAL_TOKENS` missing.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start}. Expected a text file with one "
            "vocabulary entry a line."
        ) from error
    # Not `splitlines`: an entry may hold U+2028 and other ends that only it knows.
    vocabulary = text.removesuffix("\n").split("\n")
    check_vocabulary(vocabulary, source=str(path))
    return vocabulary


def check_vocabulary(vocabulary: Sequence[str], source: str = "vocabulary") -> None:
    """Raises an InputError that names the fault and its line, if there is one."""
    lines: dict[str, int] = {}
    for line, entry in enumerate(vocabulary, start=1):
        if not entry:
            raise InputError(f"{source}: line {line} is blank. Remove it.")
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
            f"{source}: no {', '.join(missing)} among {len(vocabulary)} entries. BERT "
            f"needs all of {' '.join(SPECIAL_TOKENS)}."
        )


def vocabulary_hash(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of the file's bytes, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_vocabulary_files(directory: str | os.PathLike[str]) -> dict[str, bytes]:
    """Returns the contents of a folder's `vocab.txt` and `tokenizer_config.json`."""
    return {
        name: (Path(directory) / name).read_bytes()
        for name in (VOCABULARY_NAME, TOKENIZER_CONFIG_NAME)
    }
