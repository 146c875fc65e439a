"""What tells a data set from any other, wherever it lies."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from bert_tf.data.dataset import Dataset
from bert_tf.storage.json_files import flatten


def fingerprint(dataset: Dataset) -> dict[str, Any]:
    """Returns what decides which examples a run sees, without where they lie.

    The description's checksums stand for the records.

    Returns:
        A JSON object, to be compared by `first_difference`.
    """
    digest = hashlib.sha256()
    for shard in dataset.info.shards:
        # The order of examples depends on the order and the sizes of the shards.
        digest.update(f"{shard.sha256} {shard.num_records}\n".encode())
    return {
        **dataset.vocabulary.identity,
        "parameters": dataclasses.asdict(dataset.parameters),
        "num_records": dataset.num_records,
        "records_hash": digest.hexdigest(),
    }


def first_difference(
    recorded: Mapping[str, Any], found: Mapping[str, Any]
) -> str | None:
    """Says what tells two fingerprints apart; None if nothing does.

    What only one of them knows is passed over: it came with another version.
    """
    ours, theirs = flatten(found), flatten(recorded)
    for name, value in ours.items():
        if name in theirs and theirs[name] != value:
            return f"`{name}` was {theirs[name]!r} and is {value!r}"
    return None
