"""What a reader of damaged files is, and which of its results are right."""

import dataclasses
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mutators import Mutation, damage_folder

Parts = Mapping[str, Any]
"""What a reader makes of files, by name. `arrays` holds weights by name."""


@dataclasses.dataclass(frozen=True)
class Reader:
    """Something of ours that reads files.

    Attributes:
        name: of the reader; with the number of a case, the seed of its damage.
        write: writes whole files into an empty folder.
        read: reads them.
        says: what the files say, by another program than ours; raises where they say
            nothing. None for formats whose checksums or structure tell all damage: then
            only what was written is right.
        damage: damages the folder.
        free_parts: parts that may become anything, by a pattern of the damaged file's
            name: what a file without checksum says, nobody can know to be wrong.
        num_cases: of the test.
        always_reads: whether it never refuses files.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], Parts]
    says: Callable[[Path], Parts] | None = None
    damage: Callable[[Path, random.Random], Mutation] = damage_folder
    free_parts: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    num_cases: int = 40
    always_reads: bool = False


def is_right(
    reader: Reader, folder: Path, mutation: Mutation, before: Parts, after: Parts
) -> bool:
    """Returns whether a result is what was written, or what the files now say.

    Where bytes of weights without checksums changed, as many weights may differ.

    Args:
        reader: the reader.
        folder: the damaged files.
        mutation: what was done to them.
        before: what it made of the whole files.
        after: what it makes of the damaged ones.
    """
    changed = {
        name
        for name in {*before, *after}
        if not _same(before, after, name) and not _is_reported(name, before, after)
    }
    for pattern, parts in reader.free_parts.items():
        if any(re.search(pattern, name) for name in mutation.names):
            changed -= set(parts)
    if not changed:
        return True
    if reader.says is not None:
        said = reader.says(folder)
        return all(_same(said, after, name) for name in changed)
    if changed != {"arrays"} or mutation.num_bytes is None:
        return False
    return _num_differing(before["arrays"], after["arrays"]) <= mutation.num_bytes


def _is_reported(name: str, before: Parts, after: Parts) -> bool:
    """Returns whether every conversion's report tells this change."""
    if name == "arrays":  # Fewer of them: newly initialized, or left over.
        found = after[name]
        return set(found) < set(before[name]) and all(
            np.array_equal(array, before[name][key]) for key, array in found.items()
        )
    return name in ("left over", "notes") or after[name] is None


def _same(one: Parts, two: Parts, name: str) -> bool:
    if name not in one or name not in two:
        return False
    if name != "arrays":
        return bool(one[name] == two[name])
    return _num_differing(one[name], two[name]) == 0


def _num_differing(
    one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]
) -> float:
    """Counts float32 weights of other bits; infinite where names or shapes differ."""
    if {k: a.shape for k, a in one.items()} != {k: a.shape for k, a in two.items()}:
        return float("inf")
    return sum(
        np.count_nonzero(array.view(np.int32) != two[name].view(np.int32))
        for name, array in one.items()
    )
