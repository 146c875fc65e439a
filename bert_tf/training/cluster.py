"""The processes of a run, as `TF_CONFIG` describes them. Free of TensorFlow.

`TF_CONFIG` is read where TensorFlow reads it, so that a run starts under Kubeflow, on
Vertex AI or by hand. TensorFlow takes some mistakes in it without a word and answers
others after minutes of waiting; here each costs one line.
"""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from bert_tf.errors import InputError

_VARIABLE = "TF_CONFIG"

# In the order in which TensorFlow numbers them.
_TYPES = ("chief", "worker")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a run.

    Attributes:
        addresses: `host:port` of each, by number: the chief first if there is one, then
            the workers. Number 0 writes checkpoints and metrics.
        index: the number of this process.
    """

    addresses: tuple[str, ...]
    index: int


def set_cluster(addresses: Sequence[str], task: int) -> None:
    """Describes a cluster in `TF_CONFIG`, where TensorFlow looks for it.

    Args:
        addresses: `host:port` of each worker, the same list for all of them; empty to
            leave `TF_CONFIG` as it is.
        task: which of them this process is.

    Raises:
        InputError: `task` is none of the cluster, or `TF_CONFIG` is set already.
    """
    if not addresses:
        return
    if not 0 <= task < len(addresses):
        raise InputError(
            f"`--task` must be from 0 to {len(addresses) - 1} for a `--cluster` of "
            f"{len(addresses)}. Received: {task}"
        )
    if _VARIABLE in os.environ:
        raise InputError("Either `--cluster` or the variable TF_CONFIG, not both.")
    _check_addresses(list(addresses), "`--cluster`")
    os.environ[_VARIABLE] = json.dumps(
        {
            "cluster": {"worker": list(addresses)},
            "task": {"type": "worker", "index": task},
        }
    )


def read_cluster() -> Cluster | None:
    """Reads `TF_CONFIG`; None without a cluster.

    Returns:
        The cluster. Keys that say nothing about it (`environment`, `job`, ...) are
        passed over.

    Raises:
        InputError: not what TensorFlow's multi-worker strategy can work with.
    """
    text = os.environ.get(_VARIABLE, "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"TF_CONFIG: not JSON ({error}). Received: {text:.60}") from (
            error
        )
    _check(isinstance(config, dict), "must be a JSON object", config)
    if "sparseCluster" in config:
        raise InputError(
            "TF_CONFIG: `sparseCluster` (Kubeflow's enableDynamicWorker) does not name "
            "all workers, and every one must know the others. Start the job without it."
        )
    if not config.get("cluster"):
        return None
    types = config["cluster"]
    _check(isinstance(types, dict), "`cluster` must map types to addresses", types)
    for name in types:
        _check_type(name, "`cluster`")
        _check_addresses(types[name], f"TF_CONFIG: `cluster.{name}`")
    _check(len(types.get("chief", [])) <= 1, "`cluster` must have one chief", types)
    addresses = [address for name in _TYPES for address in types.get(name, [])]
    _check_addresses(addresses, "TF_CONFIG: `cluster`")
    return Cluster(tuple(addresses), _index(config, types))


def num_processes() -> int:
    """Returns the number of processes; 1 without a cluster."""
    cluster = read_cluster()
    return len(cluster.addresses) if cluster else 1


def process_index() -> int:
    """Returns the number of this process; 0 without a cluster."""
    cluster = read_cluster()
    return cluster.index if cluster else 0


def check_strategy(strategy: str) -> None:
    """Checks that a strategy and the cluster go together.

    Platforms also describe a cluster of one process, which goes with any strategy.

    Raises:
        InputError: one of them is there without the other, or `TF_CONFIG` is wrong.
    """
    cluster = read_cluster()
    count = len(cluster.addresses) if cluster else 0
    fits = count > 0 if strategy == "multi_worker" else count <= 1
    if not fits:
        raise InputError(
            "`strategy` must be 'multi_worker' with a cluster (--cluster and --task, "
            f"or TF_CONFIG), and only then. Received: {strategy!r} and "
            f"{count} workers"
        )


def _index(config: dict[str, Any], types: dict[str, list[str]]) -> int:
    """Returns the number of this process among all of the cluster."""
    task: Any = config.get("task")
    _check(isinstance(task, dict), "`task` must say this process' type and index", task)
    for key in ("type", "index"):
        _check(key in task, f"`task` must have the key {key!r}", task)
    _check_type(task["type"], "`task.type`")
    count, index = len(types.get(task["type"], [])), task["index"]
    requirement = f"`task.index` must be a number from 0 to {count - 1}"
    if not count:
        requirement = f"`task.type` must be one of `cluster`'s: {sorted(types)}"
    _check(type(index) is int and 0 <= index < count, requirement, task)
    before = _TYPES[: _TYPES.index(task["type"])]
    return index + sum(len(types.get(name, [])) for name in before)


def _check_type(name: Any, field: str) -> None:
    if name in _TYPES:
        return
    reason = {
        "ps": "there are no parameter servers: every worker has all variables",
        "evaluator": "the training processes evaluate, between their steps",
        "master": "call it 'chief', as TensorFlow 2 does",
    }.get(str(name), "no such type")
    raise InputError(
        f"TF_CONFIG: {field} has {name!r}, but takes 'chief' and 'worker' only "
        f"({reason}). Start the job without it."
    )


def _check_addresses(addresses: Any, source: str) -> None:
    if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
        raise InputError(
            f"{source} must be a list of 'host:port'. Received: {addresses!r:.200}"
        )
    if len(set(addresses)) < len(addresses):
        raise InputError(f"{source} has an address twice. Received: {addresses}")


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r".+:\d+", value) is not None


def _check(holds: bool, requirement: str, received: Any) -> None:
    if not holds:
        raise InputError(f"TF_CONFIG: {requirement}. Received: {received!r:.200}")
