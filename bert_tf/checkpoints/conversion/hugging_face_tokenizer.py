"""The tokenizer of a Hugging Face folder: vocabulary, settings and added tokens.

Source: Hugging Face transformers, `tokenization_utils_base.py`, for the files.
"""

import dataclasses
from pathlib import Path
from typing import Any

from bert_tf.checkpoints.conversion import vocabularies
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_known_fields, read_json, write_json
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME, TokenizerConfig
from bert_tf.text.tokenizer_json import (
    TOKENIZER_JSON_NAME,
    AddedToken,
    TokenizerJson,
)
from bert_tf.text.vocabulary import VOCABULARY_NAME, Vocabulary

_ADDED_TOKENS = "added_tokens.json"
_ADDED_TOKENS_DECODER = "added_tokens_decoder"


@dataclasses.dataclass
class Tokenizer:
    """What such a folder says.

    Attributes:
        vocabulary: added tokens among the entries; None without one.
        model_max_length: where texts are cut; None where no such length is stated.
        added_tokens: without BERT's special ones.
    """

    vocabulary: Vocabulary | None
    model_max_length: int | None
    added_tokens: list[AddedToken]


@dataclasses.dataclass
class _TokenizerConfig:
    # As large as 10**30 where there is no limit.
    model_max_length: float | None = None


def read(folder: Path) -> Tokenizer:
    """Reads a folder's tokenizer.

    Raises:
        InputError: a damaged file, a tokenizer that is not BERT's, or files that
            contradict each other.
    """
    path = folder / TOKENIZER_CONFIG_NAME
    values = read_json(path) if path.is_file() else {}
    described = TokenizerJson.load(folder)
    if described is not None:
        added = described.added_tokens
    else:
        added = _added_tokens(folder, values)
    stated: _TokenizerConfig = from_known_fields(_TokenizerConfig, values, str(path))
    length = stated.model_max_length
    return Tokenizer(
        vocabulary=_vocabulary(folder, described, added),
        model_max_length=int(length) if length and 0 < length < 2**31 else None,
        added_tokens=[token for token in added if token.content not in SPECIAL_TOKENS],
    )


def write(weights: ModelWeights, folder: Path) -> None:
    """Writes the vocabulary's files, if there is a vocabulary."""
    if weights.vocabulary is None:
        return
    weights.vocabulary.save(folder)
    values = weights.vocabulary.config.to_dict()
    values["model_max_length"] = (
        weights.hugging_face.model_max_length or weights.config.max_position_embeddings
    )
    ids = {entry: index for index, entry in enumerate(weights.vocabulary.entries)}
    special = [
        AddedToken(content=token, id=ids[token], special=True, normalized=False)
        for token in SPECIAL_TOKENS
    ]
    added = [t for t in weights.hugging_face.added_tokens if t.content in ids]
    if added:
        values[_ADDED_TOKENS_DECODER] = {
            str(ids[token.content]): {
                name: value
                for name, value in dataclasses.asdict(token).items()
                if name != "id"
            }
            for token in [*special, *added]
        }
    write_json(folder / TOKENIZER_CONFIG_NAME, values)


def _added_tokens(folder: Path, values: dict[str, Any]) -> list[AddedToken]:
    """Reads added tokens from where they stood before there was `tokenizer.json`."""
    source = str(folder / TOKENIZER_CONFIG_NAME)
    tokens = values.get(_ADDED_TOKENS_DECODER)
    if tokens is None:
        path = folder / _ADDED_TOKENS
        source = str(path)
        ids = read_json(path) if path.is_file() else {}
        found = [(id_, {"content": content}) for content, id_ in ids.items()]
    elif isinstance(tokens, dict):
        found = [(int(i) if i.isdecimal() else i, t) for i, t in tokens.items()]
    else:
        raise InputError(f"{source}: {_ADDED_TOKENS_DECODER} must be an object.")
    return [
        from_known_fields(
            AddedToken,
            {**token, "id": id_} if isinstance(token, dict) else token,
            f"{source}: added token {id_!r}",
        )
        for id_, token in found
    ]


def _vocabulary(
    folder: Path, described: TokenizerJson | None, added: list[AddedToken]
) -> Vocabulary | None:
    path = folder / VOCABULARY_NAME
    if not path.is_file():
        if described is None:
            return None
        source = str(folder / TOKENIZER_JSON_NAME)
        return Vocabulary.from_entries(
            described.entries, TokenizerConfig.load(folder), source
        )
    vocabulary = vocabularies.read_file(path)
    entries = list(vocabulary.entries)
    for token in sorted(added, key=lambda token: token.id):
        if token.id == len(entries):
            entries.append(token.content)
        if entries[token.id : token.id + 1] != [token.content]:
            raise InputError(
                f"{folder}: {token.content!r} is an added token of id {token.id}, but "
                f"{VOCABULARY_NAME} has {len(vocabulary)} entries, and another there. "
                "One of them is of another model."
            )
    if described is not None and described.entries != entries:
        raise InputError(
            f"{folder}: {VOCABULARY_NAME} and {TOKENIZER_JSON_NAME} hold different "
            f"vocabularies, of {len(entries)} and {len(described.entries)} entries. "
            "Delete the one that is of another model."
        )
    if len(entries) == len(vocabulary):
        return vocabulary
    return Vocabulary.from_entries(entries, vocabulary.config)
