"""BERT's text normalization as a table for tf-text's fast normalizer.

tf-text's own table follows Unicode's NFKC case folding, which is not what released
BERTs were trained with: it turns the Chinese comma "，" into "," and "ß" into "ss", and
puts a blank where BERT removes a control character. Its operation takes any table that
maps characters to strings, so this module gives it BERT's.
"""

import functools
import itertools
import unicodedata

import flatbuffers
import numpy as np

# Of the bits of an entry's value: one says that the character changes, six hold the
# length in bytes of what replaces it, those between its offset in the string pool.
_CHANGES = 1 << 30
_LENGTH_BITS = 6

# Of the bits of a trie unit: the label below, a flag for a value, the offset above.
_HAS_VALUE = 1 << 8
_OFFSET_SHIFT = 10
_IS_VALUE = 1 << 31

_KEPT_CONTROLS = frozenset("\t\n\r")

# All code points that any setting changes: the rest are ideographs, private or
# unassigned. Surrogates are not characters.
CHANGING_RANGES = (
    range(0xD800),
    range(0xE000, 0x20000),
    range(0x2F800, 0x2FA20),  # compatibility ideographs
    range(0xE0000, 0xE0200),  # tags and variation selectors
)


def normalize_character(
    character: str, do_lower_case: bool, strip_accents: bool
) -> str:
    """Returns what BERT makes of a character before it splits text into words.

    Every character stands for itself, as in Hugging Face's tokenizers; Python's
    `str.lower`, which google-research/bert calls on whole words, also writes the Greek
    sigma that ends a word as "ς".

    Args:
        character: one code point.
        do_lower_case: whether to lower-case it.
        strip_accents: whether to decompose it and drop combining marks.

    Source: google-research/bert, `tokenization.py`, `BasicTokenizer`.
    """
    if character in _KEPT_CONTROLS:
        return character
    if character in "\0\N{REPLACEMENT CHARACTER}":
        return ""
    if unicodedata.category(character) in ("Cc", "Cf"):
        return ""
    if do_lower_case:
        character = character.lower()
    if strip_accents:
        decomposed = unicodedata.normalize("NFD", character)
        character = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return character


@functools.cache
def normalizer_model(do_lower_case: bool, strip_accents: bool) -> bytes:
    """Returns the table as `FastBertNormalizer` takes it (`model_buffer`).

    Args:
        do_lower_case: whether to lower-case.
        strip_accents: whether to drop combining marks.

    Source: tensorflow/text, `fast_bert_normalizer.h`, for the encoding of values.
    """
    values: dict[bytes, int] = {}
    pool = bytearray()
    offsets: dict[bytes, int] = {}
    for character in map(chr, itertools.chain(*CHANGING_RANGES)):
        normalized = normalize_character(character, do_lower_case, strip_accents)
        if normalized == character:
            continue
        replacement = normalized.encode("utf-8")
        assert len(replacement) < 1 << _LENGTH_BITS
        if replacement not in offsets:
            offsets[replacement] = len(pool)
            pool += replacement
        offset = offsets[replacement] << _LENGTH_BITS
        values[character.encode("utf-8")] = _CHANGES | offset | len(replacement)
    # NUL ends a key in the trie, so the model holds its value apart.
    return _pack(bool(do_lower_case), _double_array(values), values.pop(b"\0"), pool)


def _double_array(values: dict[bytes, int]) -> np.ndarray:
    """Lays a trie of UTF-8 characters out as a darts-clone double array.

    A unit holds the byte that leads to it (its label) and, as an XOR with its own
    position, its base. The unit of the next byte stands at base ^ byte, a value at
    base ^ 0. No two units share a base, so a label is proof of the parent.

    Args:
        values: 31-bit values by key; a character's bytes, so no key begins another.

    Returns:
        uint32 `[num_units]`.

    Source: darts-clone, `darts.h`, for the bits of a unit.
    """
    keys = sorted(key for key in values if key != b"\0")
    prefixes = sorted({key[:end] for key in keys for end in range(1, len(key))})
    # The bytes after a first one are 0x80 to 0xBF: every prefix gets an aligned block
    # of 64 positions for them, behind the 256 of the first bytes, whose base is 0.
    bases = {b"": 0}
    for block, prefix in enumerate(prefixes, start=4):
        bases[prefix] = 64 * block ^ 0x80
    position = {unit: bases[unit[:-1]] ^ unit[-1] for unit in [*prefixes, *keys]}

    taken = {0, *position.values()}
    used = set(bases.values())
    free = (at for at in itertools.count(1) if at not in taken and at not in used)
    bases.update(zip(keys, free, strict=False))
    # Any byte may be looked up from any base, so the array ends at a multiple of 256.
    size = -(-(max(*position.values(), *bases.values()) + 1) // 256) * 256
    units = np.zeros(size, np.uint32)
    for unit, at in position.items():
        offset = (at ^ bases[unit]) << _OFFSET_SHIFT
        units[at] = unit[-1] | offset | (_HAS_VALUE if unit in values else 0)
    for key in keys:
        units[bases[key]] = values[key] | _IS_VALUE
    return units


def _pack(lower: bool, trie: np.ndarray, zero: int, pool: bytearray) -> bytes:
    """Writes the FlatBuffer `FastBertNormalizerModel`."""
    builder = flatbuffers.Builder(len(pool) + trie.nbytes + 1024)
    pool_vector = builder.CreateByteVector(bytes(pool))
    trie_vector = builder.CreateNumpyVector(trie)
    builder.StartObject(4)
    builder.PrependBoolSlot(0, lower, False)
    builder.PrependUOffsetTRelativeSlot(1, trie_vector, 0)
    builder.PrependInt32Slot(2, zero, 0)
    builder.PrependUOffsetTRelativeSlot(3, pool_vector, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
