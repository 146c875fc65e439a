"""Parts of a data set to train on and to evaluate on, the same every time.

An example's side depends on a hash of its text, not on its place: shuffling a file
changes nothing, and adding to it moves few examples or none. The same text is never on
both sides.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Example

E = TypeVar("E", bound=Example)

# Stands between the parts of a key; no text holds it, since UTF-8 has no such byte.
_SEPARATOR = b"\xff"


def text_hash(parts: Sequence[str], seed: int) -> bytes:
    """Returns 16 bytes that depend on the parts and the seed alone."""
    digest = hashlib.blake2b(digest_size=16, salt=seed.to_bytes(16, "little"))
    digest.update(_SEPARATOR.join(part.encode("utf-8") for part in parts))
    return digest.digest()


def split_examples(
    examples: Sequence[E],
    fraction: float,
    seed: int,
    strata: Sequence[Hashable] | None = None,
    groups: Sequence[Sequence[str]] | None = None,
) -> tuple[list[E], list[E]]:
    """Divides examples into those to train on and those held out.

    Args:
        examples: any number.
        fraction: share to hold out.
        seed: of the hash.
        strata: each example's label: its share is held out of each. One of which
            there is one text only stays in training.
        groups: what must stay together, for instance questions on one text; each
            example's own text if None.

    Returns:
        Both parts, in the order of `examples`.

    Raises:
        InputError: a part would be empty.
    """
    keys = [example.key for example in examples] if groups is None else groups
    hashes = [text_hash(key, seed) for key in keys]
    stratum_of: dict[bytes, str] = {}
    for index, digest in enumerate(hashes):
        stratum = repr(strata[index]) if strata is not None else ""
        # A text with two labels counts for the same one in any order.
        stratum_of[digest] = min(stratum, stratum_of.get(digest, stratum))
    by_stratum: dict[str, list[bytes]] = collections.defaultdict(list)
    for digest, stratum in stratum_of.items():
        by_stratum[stratum].append(digest)
    held_out: set[bytes] = set()
    for digests in by_stratum.values():
        number = round(fraction * len(digests))
        if len(digests) > 1 and fraction:
            number = min(max(number, 1), len(digests) - 1)
        held_out.update(sorted(digests)[:number])
    pairs = list(zip(examples, hashes, strict=True))
    train = [example for example, digest in pairs if digest not in held_out]
    evaluation = [example for example, digest in pairs if digest in held_out]
    if not train or not evaluation:
        raise InputError(
            f"{len(held_out)} of {len(stratum_of)} different texts held out leaves a "
            "part empty. Give more examples, or a file of its own to evaluate on."
        )
    return train, evaluation


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Examples whose texts are exactly those of another one.

    Attributes:
        within: by the name of a part, how many repeat one before them there.
        across: by a part's name, how many stand in the training part too.
        examples: by a part's name, where the first of `across` is, and its double.
    """

    within: Mapping[str, int]
    across: Mapping[str, int]
    examples: Mapping[str, str]

    def lines(self) -> list[str]:
        """Returns what was found as lines of text."""
        lines = [
            f"{count:,} exact duplicates within {name}"
            for name, count in self.within.items()
            if count
        ]
        lines += [
            f"warning: {count:,} examples of {name} stand in the training data too, "
            f"so that its score is too good: {self.examples[name]}"
            for name, count in self.across.items()
            if count
        ]
        return lines


def find_duplicates(
    train: Sequence[Example], others: Mapping[str, Sequence[Example]]
) -> Duplicates:
    """Counts exact duplicates.

    Args:
        train: the examples to train on.
        others: other parts by name, for instance `evaluation`.
    """
    places = {}
    for example in reversed(train):
        places[example.key] = example.place
    within = {"training": len(train) - len(places)}
    across, first = {}, {}
    for name, part in others.items():
        within[name] = len(part) - len({example.key for example in part})
        shared = [example for example in part if example.key in places]
        across[name] = len(shared)
        if shared:
            first[name] = f"{shared[0].place} is {places[shared[0].key]}"
    return Duplicates(within, across, first)
