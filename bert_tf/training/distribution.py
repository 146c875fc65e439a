"""Which devices a run uses, and what this process has of them."""

import dataclasses
import functools
from typing import Any, Self

import tensorflow as tf

from bert_tf.training import cluster, rendezvous


@dataclasses.dataclass(frozen=True)
class Devices:
    """The replicas of a run, as one of its processes sees them.

    Attributes:
        strategy: distributes the work.
        num_replicas: of all processes.
        local_replicas: those of this process.
        is_chief: whether this process writes checkpoints and metrics.
    """

    strategy: tf.distribute.Strategy
    num_replicas: int
    local_replicas: range
    is_chief: bool

    @classmethod
    def of(cls, strategy: tf.distribute.Strategy) -> Self:
        """Returns what this process has of a strategy's replicas."""
        index, processes = cluster.process_index(), cluster.num_processes()
        local = strategy.num_replicas_in_sync // processes
        return cls(
            strategy=strategy,
            num_replicas=strategy.num_replicas_in_sync,
            local_replicas=range(index * local, (index + 1) * local),
            is_chief=index == 0,
        )

    def distribute(self, arrays: Any) -> Any:
        """Turns arrays `[local replicas, ...]` into per-replica tensors."""
        first = self.local_replicas.start

        def own(context: tf.distribute.experimental.ValueContext) -> Any:
            index = context.replica_id_in_sync_group - first
            return tf.nest.map_structure(lambda a: tf.constant(a[index]), arrays)

        return self.strategy.experimental_distribute_values_from_function(own)

    def all_agree(self, value: int) -> bool:
        """Returns whether all replicas have the same small number."""
        # Numbers whose mean and mean square are one number's and its square are all it.
        moments = tf.constant([value, value**2], tf.float64)

        def mean() -> tf.Tensor:
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(moments))

        @tf.function(autograph=False)
        def mean_of_all() -> tf.Tensor:
            return self.strategy.run(mean)

        found = self.strategy.experimental_local_results(mean_of_all())[0]
        return bool(tf.reduce_all(found == moments))


@functools.cache
def _multi_worker_strategy() -> tf.distribute.Strategy:
    """Returns the one of this process, which cannot have a second."""
    processes = cluster.read_cluster()
    assert processes is not None, "`check_strategy` comes first"
    with rendezvous.ended_by_signals():
        rendezvous.wait_for_peers(processes)
        return tf.distribute.MultiWorkerMirroredStrategy()


def create_strategy(name: str) -> tf.distribute.Strategy:
    """Creates a strategy; for several workers, before TensorFlow does anything else.

    Args:
        name: `default`, `mirrored`, `multi_worker` or `tpu`.

    Raises:
        InputError: this process' port in the cluster is taken.
    """
    if name == "multi_worker":
        return _multi_worker_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy(
            [device.name for device in devices],
            # Between CPU devices TensorFlow would choose collectives, whose keys
            # clash when a process makes a second strategy.
            cross_device_ops=None if gpus else tf.distribute.ReductionToOneDevice(),
        )
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    return tf.distribute.get_strategy()
