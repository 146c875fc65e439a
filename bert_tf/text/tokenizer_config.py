"""What happens to text before it is split: `tokenizer_config.json`, ours or others'."""

import dataclasses
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from bert_tf.errors import InputError
from bert_tf.storage.json_files import format_json, read_json
from bert_tf.text.special_tokens import SPECIAL_TOKENS, SUFFIX_INDICATOR
from bert_tf.text.tokenizer_json import TokenizerJson

TOKENIZER_CONFIG_NAME = "tokenizer_config.json"

# Hugging Face's names of BERT's tokenizer, and of any that `tokenizer.json` describes.
_BERT_CLASSES = ("BertTokenizer", "BertTokenizerFast")
_DESCRIBED_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")

# Settings of Hugging Face's that BERT's tokenizer has with one value only.
_FIXED: dict[str, tuple[Any, ...]] = {
    "tokenize_chinese_chars": (True,),
    "clean_text": (True,),
    "do_basic_tokenize": (True,),
    "never_split": (None, []),
    "wordpieces_prefix": (SUFFIX_INDICATOR,),
}


@dataclasses.dataclass(frozen=True, eq=False)
class TokenizerConfig:
    """What happens to text before it is split into pieces.

    Attributes:
        do_lower_case: whether to lower-case.
        strip_accents: whether to drop combining marks; None does as `do_lower_case`.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None

    def __eq__(self, other: object) -> bool:
        """Settings are equal that do the same."""
        if not isinstance(other, TokenizerConfig):
            return NotImplemented
        return self._effect == other._effect

    def __hash__(self) -> int:
        return hash(self._effect)

    @property
    def strips_accents(self) -> bool:
        """`strip_accents` with None resolved."""
        if self.strip_accents is None:
            return self.do_lower_case
        return self.strip_accents

    @property
    def _effect(self) -> tuple[bool, bool]:
        return self.do_lower_case, self.strips_accents

    def to_dict(self) -> dict[str, Any]:
        """Returns what `tokenizer_config.json` says, which Hugging Face reads too."""
        return {
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": True,
            "tokenizer_class": "BertTokenizer",
        }

    def to_json(self) -> bytes:
        """Returns the file of it."""
        return format_json(self.to_dict()).encode()

    @classmethod
    def guess(cls, entries: Iterable[str]) -> Self:
        """Returns the settings that entries suggest.

        A capital letter shows that case was kept, a combining mark that accents were;
        in many scripts such marks are vowels.
        """
        words = [
            entry
            for entry in entries
            if entry not in SPECIAL_TOKENS and not entry.startswith("[unused")
        ]
        lower = all(word == word.lower() for word in words)
        marks = any(
            unicodedata.category(character) == "Mn"
            for word in words
            for character in unicodedata.normalize("NFD", word)
        )
        return cls(do_lower_case=lower, strip_accents=False if marks else None)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Reads a folder's settings, as `find` does.

        Raises:
            InputError: see `find`; or no file says anything.
        """
        config = cls.find(directory)
        if config is None:
            raise InputError(
                f"{Path(directory) / TOKENIZER_CONFIG_NAME}: no such file. It says how "
                "the vocabulary beside it treats case, for instance "
                '{"do_lower_case": true}.'
            )
        return config

    @classmethod
    def find(cls, directory: str | os.PathLike[str]) -> Self | None:
        """Reads a folder's settings, ours or Hugging Face's; None without any.

        A `tokenizer.json` beside `tokenizer_config.json` decides what that leaves open,
        and all where that names no class of BERT's but the general one.

        Raises:
            InputError: a damaged file, or settings and tokenizers that BERT does not
                have.
        """
        path = Path(directory) / TOKENIZER_CONFIG_NAME
        described = TokenizerJson.load(directory)
        if not path.is_file() and described is None:
            return None
        values = read_json(path) if path.is_file() else {}
        return cls._from_values(values, described, source=os.fspath(path))

    @classmethod
    def _from_values(
        cls, values: Mapping[str, Any], described: TokenizerJson | None, source: str
    ) -> Self:
        _check_fixed(values, source)
        tokenizer_class = values.get("tokenizer_class") or _BERT_CLASSES[0]
        check_tokenizer_class(tokenizer_class, source)
        is_general = tokenizer_class in _DESCRIBED_CLASSES
        settings: dict[str, Any] = {"do_lower_case": True, "strip_accents": None}
        if described is not None:
            settings["do_lower_case"] = described.do_lower_case
            settings["strip_accents"] = described.strip_accents
        elif is_general and "do_lower_case" not in values:
            raise InputError(
                f"{source}: says nothing of case, and no tokenizer.json beside it "
                "does. Add do_lower_case, true or false."
            )
        if described is None or not is_general:
            settings |= {name: values[name] for name in settings if name in values}
        lower, strip = settings["do_lower_case"], settings["strip_accents"]
        if not isinstance(lower, bool):
            raise InputError(
                f"{source}: do_lower_case must be true or false. Received: {lower!r}"
            )
        if strip is not None and not isinstance(strip, bool):
            raise InputError(
                f"{source}: strip_accents must be true, false or null. "
                f"Received: {strip!r}"
            )
        return cls(do_lower_case=lower, strip_accents=strip)


def check_tokenizer_class(name: Any, source: str) -> None:
    """Raises an InputError over a class that may split text as BERT doesn't."""
    known = (*_BERT_CLASSES, *_DESCRIBED_CLASSES)
    if name not in known:
        raise InputError(
            f"{source}: tokenizer_class must be one of {', '.join(known)}. Received: "
            f"{name!r}, which may split text in another way. If it does as BERT's, "
            "write 'BertTokenizer' there."
        )


def _check_fixed(values: Mapping[str, Any], source: str) -> None:
    for name, allowed in _FIXED.items():
        if name in values and values[name] not in allowed:
            raise InputError(
                f"{source}: {name} must be {json.dumps(allowed[0])}, as in BERT's "
                f"tokenizer. Received: {values[name]!r:.60}"
            )
    for token in SPECIAL_TOKENS:
        name = f"{token.strip('[]').lower()}_token"
        stated = values.get(name)
        if isinstance(stated, dict):
            stated = stated.get("content")
        if stated is not None and stated != token:
            raise InputError(
                f"{source}: {name} must be {token!r}, as in BERT's vocabulary. "
                f"Received: {stated!r:.60}"
            )
