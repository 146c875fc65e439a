"""The workers of a run, as `TF_CONFIG` describes them. Free of TensorFlow."""

import json
import os
from collections.abc import Sequence

from bert_tf.errors import InputError


def set_cluster(cluster: Sequence[str], task: int) -> None:
    """Describes a cluster in `TF_CONFIG`, where TensorFlow looks for it.

    Args:
        cluster: `host:port` of each worker, the same list for all of them; empty to
            leave `TF_CONFIG` as it is.
        task: which of them this process is.

    Raises:
        InputError: `task` is none of the cluster, or `TF_CONFIG` is set already.
    """
    if not cluster:
        return
    if not 0 <= task < len(cluster):
        raise InputError(
            f"`--task` must be from 0 to {len(cluster) - 1} for a `--cluster` of "
            f"{len(cluster)}. Received: {task}"
        )
    if "TF_CONFIG" in os.environ:
        raise InputError("Either `--cluster` or the variable TF_CONFIG, not both.")
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": list(cluster)},
            "task": {"type": "worker", "index": task},
        }
    )


def num_workers() -> int:
    """Returns the number of worker processes; 0 without a cluster."""
    return len(_tf_config().get("cluster", {}).get("worker", []))


def task_index() -> int:
    """Returns which worker this process is; 0 without a cluster."""
    return int(_tf_config().get("task", {}).get("index", 0))


def check_strategy(strategy: str) -> None:
    """Checks that a strategy and the cluster go together.

    Raises:
        InputError: one of them is there without the other.
    """
    if (strategy == "multi_worker") != (num_workers() > 0):
        raise InputError(
            "`strategy` must be 'multi_worker' with a cluster (--cluster and --task, "
            f"or TF_CONFIG), and only then. Received: {strategy!r} and "
            f"{num_workers()} workers"
        )


def _tf_config() -> dict:
    return json.loads(os.environ.get("TF_CONFIG", "{}"))
