"""Hugging Face's `tokenizer.json`, as far as it describes BERT's tokenizer.

Source: huggingface/tokenizers 0.23, `BertNormalizer`, `BertPreTokenizer` and
`WordPiece`, and what `Tokenizer.save` writes of them.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields, read_json
from bert_tf.text.special_tokens import CLS, SEP, SUFFIX_INDICATOR, UNK

TOKENIZER_JSON_NAME = "tokenizer.json"


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """An entry that Hugging Face finds in a text before anything else.

    Attributes:
        content: the entry.
        id: its id.
        special: whether it is left out of decoded text.
        normalized: whether it is looked for after lower-casing.
        single_word: whether it is only found as a whole word.
        lstrip: whether blanks before it are part of it.
        rstrip: whether blanks behind it are.
    """

    content: str
    id: int
    special: bool = False
    normalized: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclasses.dataclass(frozen=True)
class _WordPiece:
    vocab: dict[str, int]
    unk_token: str = UNK
    continuing_subword_prefix: str = SUFFIX_INDICATOR


@dataclasses.dataclass(frozen=True)
class _BertNormalizer:
    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True


@dataclasses.dataclass(frozen=True)
class TokenizerJson:
    """What such a file says.

    Attributes:
        entries: by id, the added ones among them.
        do_lower_case: whether to lower-case.
        strip_accents: whether to drop combining marks; None does as `do_lower_case`.
        added_tokens: in the order of the file.
    """

    entries: list[str]
    do_lower_case: bool
    strip_accents: bool | None
    added_tokens: list[AddedToken]

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Self | None:
        """Reads a folder's file; None where there is none, or one of KerasHub's.

        Raises:
            InputError: a damaged file, or a tokenizer that is not BERT's.
        """
        path = Path(directory) / TOKENIZER_JSON_NAME
        if not path.is_file():
            return None
        values = read_json(path)
        if "class_name" in values:
            return None
        source = os.fspath(path)
        _check_kind(values, "model", "WordPiece", source)
        _check_kind(values, "normalizer", "BertNormalizer", source)
        _check_kind(values, "pre_tokenizer", "BertPreTokenizer", source)
        _check_post_processor(values.get("post_processor"), source)
        model: _WordPiece = from_known_fields(
            _WordPiece, values["model"], f"{source}: model"
        )
        normalizer: _BertNormalizer = from_known_fields(
            _BertNormalizer, values["normalizer"], f"{source}: normalizer"
        )
        _check_fixed(model, f"{source}: model")
        _check_fixed(normalizer, f"{source}: normalizer")
        added = values.get("added_tokens") or []
        if not isinstance(added, list):
            raise InputError(f"{source}: added_tokens must be a list.")
        tokens: list[AddedToken] = [
            from_known_fields(AddedToken, token, f"{source}: added_tokens[{number}]")
            for number, token in enumerate(added)
        ]
        return cls(
            entries=_entries(model.vocab, tokens, source),
            do_lower_case=normalizer.lowercase,
            strip_accents=normalizer.strip_accents,
            added_tokens=tokens,
        )


def _check_kind(
    values: Mapping[str, Any], part: str, expected: str, source: str
) -> None:
    found = values.get(part)
    kind = found.get("type") if isinstance(found, dict) else found
    if kind != expected:
        parts = found.get("normalizers") if isinstance(found, dict) else None
        if isinstance(parts, list):
            inner = [p.get("type") if isinstance(p, dict) else p for p in parts]
            kind = f"{kind} of {inner}"
        raise InputError(
            f"{source}: `{part}` must be a {expected}, as in BERT's tokenizer. "
            f"Received: {kind!s:.80}"
        )


def _check_fixed(part: _WordPiece | _BertNormalizer, source: str) -> None:
    """Refuses what BERT's tokenizer has with one value only."""
    free = ("vocab", "lowercase", "strip_accents")
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name not in free and value != field.default:
            raise InputError(
                f"{source}: {field.name} must be {field.default!r}, as in BERT's "
                f"tokenizer. Received: {value!r:.60}"
            )


def _check_post_processor(values: Any, source: str) -> None:
    """Refuses other sequences than `[CLS] A [SEP]`; None says nothing of them."""
    if values is None:
        return
    kind = values.get("type") if isinstance(values, dict) else None
    if kind == "BertProcessing":
        return
    if kind == "TemplateProcessing" and isinstance(values.get("single"), list):
        pieces = [
            piece.get("SpecialToken") or piece.get("Sequence")
            for piece in values["single"]
            if isinstance(piece, dict)
        ]
        names = [piece.get("id") for piece in pieces if isinstance(piece, dict)]
        if names == [CLS, "A", SEP]:
            return
    raise InputError(
        f"{source}: `post_processor` must make {CLS} A {SEP} of a text, as BERT does. "
        f"Received: {values!r:.80}"
    )


def _entries(
    vocab: Mapping[str, int], added: Sequence[AddedToken], source: str
) -> list[str]:
    ids = dict(vocab)
    for token in added:
        if ids.setdefault(token.content, token.id) != token.id:
            raise InputError(
                f"{source}: {token.content!r} has the ids {ids[token.content]} in "
                f"`model.vocab` and {token.id} in `added_tokens`."
            )
    if sorted(ids.values()) != list(range(len(ids))):
        raise InputError(
            f"{source}: its ids are not 0 to {len(ids) - 1} without a gap."
        )
    return sorted(ids, key=ids.__getitem__)
