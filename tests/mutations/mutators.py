"""Seeded damage to the files of a folder."""

import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NUMBER_OF_5000_DIGITS = "9" * 5000
DEEP_NESTING = "[" * 20_000 + "]" * 20_000


@dataclasses.dataclass(frozen=True)
class Mutation:
    """What was done to a folder.

    Attributes:
        kind: in words.
        names: the files it was done to.
        num_bytes: bytes that may differ where the length stayed; None if more may.
    """

    kind: str
    names: tuple[str, ...]
    num_bytes: int | None = None


def damage_folder(folder: Path, rng: random.Random) -> Mutation:
    """Does one thing to one file of a folder, or to two."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(paths)
    name = str(path.relative_to(folder))
    if path.suffix in JSON_CHANGES and rng.random() < 0.7:
        text, kind = JSON_CHANGES[path.suffix](path.read_text(encoding="utf-8"), rng)
        path.write_text(text, encoding="utf-8")
        return Mutation(kind, (name,))
    draw = rng.random()
    if draw < 0.06:
        path.unlink()
        return Mutation("deleted", (name,))
    if draw < 0.14 and len(paths) > 1:
        other = rng.choice([each for each in paths if each != path])
        content, others = path.read_bytes(), other.read_bytes()
        path.write_bytes(others)
        if rng.random() < 0.5:
            other.write_bytes(content)
        return Mutation("swapped", (name, str(other.relative_to(folder))))
    damage = rng.choice(BYTE_DAMAGE)
    damaged, num_bytes = damage(bytearray(path.read_bytes()), rng)
    path.write_bytes(damaged)
    return Mutation(damage.__name__, (name,), num_bytes)


# Bytes: each returns what becomes of a file's, and how many may differ -------------

Damaged = tuple[bytearray, int | None]


def flip_bits(content: bytearray, rng: random.Random) -> Damaged:
    count = rng.choice([1, 1, 2, 8]) if content else 0
    for _ in range(count):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content, count


def set_bytes(content: bytearray, rng: random.Random) -> Damaged:
    count = rng.choice([1, 2, 4]) if content else 0
    for _ in range(count):
        content[rng.randrange(len(content))] = rng.choice([0, 0xFF, rng.randrange(256)])
    return content, count


def zero_block(content: bytearray, rng: random.Random) -> Damaged:
    start, stop = _block(content, rng)
    content[start:stop] = bytes(stop - start)
    return content, stop - start


def swap_blocks(content: bytearray, rng: random.Random) -> Damaged:
    size = rng.choice([1, 16, 256])
    if len(content) < 2 * size:
        return content, 0
    a, b = sorted(rng.sample(range(len(content) // size), 2))
    one = slice(a * size, (a + 1) * size)
    two = slice(b * size, (b + 1) * size)
    content[one], content[two] = content[two], content[one]
    return content, 2 * size


def truncate(content: bytearray, rng: random.Random) -> Damaged:
    lengths = [0, len(content) - 1, rng.randrange(len(content) + 1)]
    return content[: max(0, rng.choice(lengths))], None


def append_bytes(content: bytearray, rng: random.Random) -> Damaged:
    return content + rng.randbytes(rng.choice([1, 7, 100])), None


def delete_block(content: bytearray, rng: random.Random) -> Damaged:
    start, stop = _block(content, rng)
    del content[start:stop]
    return content, None


def repeat_block(content: bytearray, rng: random.Random) -> Damaged:
    start, stop = _block(content, rng)
    return content[:stop] + content[start:], None


BYTE_DAMAGE: tuple[Callable[[bytearray, random.Random], Damaged], ...] = (
    *(flip_bits, flip_bits, set_bytes, zero_block, swap_blocks),
    *(truncate, truncate, append_bytes, delete_block, repeat_block),
)


def _block(content: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    size = rng.choice([1, 3, 64, max(1, len(content) // 3)])
    return start, min(len(content), start + size)


# JSON: well-formed still, and something else ------------------------------------------

# What Python's `json` would not write.
LITERALS = {
    "<5000 digits>": NUMBER_OF_5000_DIGITS,
    "<deep>": DEEP_NESTING,
    "<huge>": "1e999",
}
WRONG_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, "", "text", "../../etc/passwd", "\u0000"),
    *([], {}, [1, "two", None], {"a": {"b": []}}),
    *LITERALS,
)


def change_json(text: str, rng: random.Random) -> tuple[str, str]:
    """Returns another JSON text, and what was done."""
    value = json.loads(text)
    places = list(_places(value))
    if not places or rng.random() < 0.1:
        wrong = rng.choice(["[]", "{}", "null", "3", '"text"', "true", DEEP_NESTING])
        return wrong, f"replaced by {wrong:.20}"
    place = rng.choice(places)
    parent = value
    for key in place[:-1]:
        parent = parent[key]
    action = rng.choice(["wrong", "wrong", "wrong", "delete", "rename", "add"])
    where = ".".join(map(str, place))
    if action == "delete":
        del parent[place[-1]]
    elif action == "rename" and isinstance(parent, dict):
        parent[f"{place[-1]}_"] = parent.pop(place[-1])
    elif action == "add" and isinstance(parent, dict):
        parent["not_a_field"] = 1
    else:
        wrong = rng.choice(WRONG_VALUES)
        parent[place[-1]] = wrong
        where += f" = {wrong!s:.20}"
    text = json.dumps(value)
    for token, literal in LITERALS.items():
        text = text.replace(json.dumps(token), literal)
    return text, f"{action} {where}"


def change_json_line(text: str, rng: random.Random) -> tuple[str, str]:
    """Returns JSON lines of which one is another, and what was done."""
    lines = text.splitlines()
    number = rng.randrange(len(lines))
    lines[number], kind = change_json(lines[number], rng)
    return "\n".join(lines) + "\n", f"line {number + 1}: {kind}"


JSON_CHANGES = {".json": change_json, ".jsonl": change_json_line}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the paths of all values inside a JSON value."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))
