"""Which devices a run uses, and what this process has of them."""

import dataclasses
import json
import os
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Topology:
    """The replicas of a run, as one of its processes sees them.

    Attributes:
        num_replicas: of all processes.
        local_replicas: those of this process.
        num_processes: processes of the run.
        is_chief: whether this process writes checkpoints and metrics.
    """

    num_replicas: int
    local_replicas: range
    num_processes: int
    is_chief: bool


def set_cluster(cluster: Sequence[str], task: int) -> None:
    """Describes a cluster of workers in `TF_CONFIG`, where TensorFlow looks for it.

    Args:
        cluster: `host:port` of each worker; the same list for all of them.
        task: which of them this process is.

    Raises:
        ValueError: `task` is none of the cluster, or `TF_CONFIG` is set already.
    """
    if not 0 <= task < len(cluster):
        raise ValueError(
            f"`--task` must be from 0 to {len(cluster) - 1} for a `--cluster` of "
            f"{len(cluster)}. Received: {task}"
        )
    if "TF_CONFIG" in os.environ:
        raise ValueError("Either `--cluster` or the variable TF_CONFIG, not both.")
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": list(cluster)},
            "task": {"type": "worker", "index": task},
        }
    )


def create_strategy(name: str) -> tf.distribute.Strategy:
    """Creates a strategy; for several workers, before TensorFlow does anything else.

    Args:
        name: `default`, `mirrored`, `multi_worker` or `tpu`.

    Raises:
        ValueError: `multi_worker` without a cluster, or a cluster with another
            strategy, or no TPU to be found.
    """
    workers = _cluster_workers()
    if (name == "multi_worker") != bool(workers):
        raise ValueError(
            "`strategy` must be 'multi_worker' with a cluster (--cluster and --task, "
            f"or TF_CONFIG), and only then. Received: {name!r} and {len(workers)} "
            "workers"
        )
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU")
        devices = devices or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    return tf.distribute.get_strategy()


def topology(strategy: tf.distribute.Strategy) -> Topology:
    """Returns what this process has of a strategy's replicas."""
    workers = _cluster_workers()
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if workers else 0
    processes = max(len(workers), 1)
    local = strategy.num_replicas_in_sync // processes
    return Topology(
        num_replicas=strategy.num_replicas_in_sync,
        local_replicas=range(index * local, (index + 1) * local),
        num_processes=processes,
        is_chief=index == 0,
    )


def has_accelerator() -> bool:
    """Returns whether there is a GPU or TPU."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))


def _cluster_workers() -> list[str]:
    cluster = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
    return [worker for job in ("chief", "worker") for worker in cluster.get(job, [])]
