import dataclasses
import json
import os
from typing import Any

import pytest

from bert_tf.errors import InputError
from bert_tf.storage.json_files import from_dict, read_json, write_json


@dataclasses.dataclass
class Shard:
    name: str
    num_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Everything:
    seed: int = 1
    rate: float = 0.5
    verbose: bool = False
    name: str | None = None
    first: Shard | None = None
    shards: list[Shard] = dataclasses.field(default_factory=list)
    patterns: tuple[str, ...] = ()
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


def test_every_kind_of_field_is_built():
    values = {
        "seed": 2,
        "rate": 1,
        "verbose": True,
        "name": "x",
        "first": {"name": "a"},
        "shards": [{"name": "b", "num_bytes": 3}],
        "patterns": ["c", "d"],
        "counts": {"e": 4},
        "notes": {"f": [None, {"g": 1.5}]},
    }
    built = from_dict(Everything, values, "x.json")
    assert built == Everything(
        seed=2,
        rate=1.0,
        verbose=True,
        name="x",
        first=Shard("a"),
        shards=[Shard("b", 3)],
        patterns=("c", "d"),
        counts={"e": 4},
        notes={"f": [None, {"g": 1.5}]},
    )
    assert type(built.rate) is float


def test_missing_fields_take_their_defaults():
    assert from_dict(Everything, {"first": None}, "x.json") == Everything()


def nested(depth):
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


WRONG = {
    "no object": ([], "x.json: must be an object. Received: []"),
    "unknown": (
        {"sead": 1},
        "x.json: unknown field `sead`. Known: seed, rate, verbose, name, first, ",
    ),
    "unknown below": (
        {"first": {"name": "a", "size": 1}},
        "x.json: unknown field `first.size`. Known: name, num_bytes",
    ),
    "missing": ({"first": {}}, "x.json: no `first.name`, which it must have"),
    "text for a number": (
        {"seed": "1"},
        "x.json: `seed` must be a whole number. Received: '1'",
    ),
    "truth for a number": (
        {"rate": True},
        "x.json: `rate` must be a number. Received: True",
    ),
    "number for truth": (
        {"verbose": 0},
        "x.json: `verbose` must be true or false. Received: 0",
    ),
    "fraction": ({"seed": 1.0}, "`seed` must be a whole number. Received: 1.0"),
    "beyond 64 bits": ({"seed": 2**63}, "`seed` must be a whole number. Received: 92"),
    "no number": ({"rate": float("nan")}, "`rate` must be a number. Received: nan"),
    "infinity": ({"rate": float("-inf")}, "`rate` must be a number. Received: -inf"),
    "beyond floats": ({"rate": 10**400}, "`rate` must be a number. Received: 1000"),
    "null": ({"seed": None}, "`seed` must be a whole number. Received: None"),
    "number for text": ({"name": 1}, "`name` must be text in quotes. Received: 1"),
    "number for an object": ({"first": 3}, "`first` must be an object. Received: 3"),
    "in a list": (
        {"shards": [{"name": "a"}, {"name": 2}]},
        "x.json: `shards[1].name` must be text in quotes. Received: 2",
    ),
    "object for a list": ({"shards": {}}, "`shards` must be a list. Received: {}"),
    "in a tuple": ({"patterns": ["a", 1]}, "`patterns[1]` must be text in quotes."),
    "in a dictionary": ({"counts": {"e": "f"}}, "`counts.e` must be a whole number."),
    "deep": ({"seed": nested(900)}, "`seed` must be a whole number. Received: [[[[["),
    "long": ({"seed": "x" * 10**6}, "`seed` must be a whole number. Received: 'xxx"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case):
    values, message = WRONG[case]
    with pytest.raises(InputError) as raised:
        from_dict(Everything, values, "x.json")
    assert message in str(raised.value)
    assert len(str(raised.value)) < 200


def test_what_is_written_is_json_for_everyone(tmp_path):
    path = tmp_path / "x.json"
    values = {"a": float("nan"), "b": [float("inf"), 1.5, {"c": float("-inf")}], "é": 1}
    write_json(path, values)
    strict = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert strict == {"a": None, "b": [None, 1.5, {"c": None}], "é": 1}
    assert "é" in path.read_text("utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == strict


def test_a_name_that_is_no_text_comes_back(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")  # From an archive of the last century.
    write_json(tmp_path / "file.json", {"name": name})
    assert read_json(tmp_path / "file.json") == {"name": name}
