"""What the replicas of a step tell each other."""

from typing import Any

import tensorflow as tf


def all_reduce(replica: tf.distribute.ReplicaContext, values: Any) -> Any:
    """Returns the sums of values over all replicas, in each of them."""
    if replica.num_replicas_in_sync == 1:
        return values
    # A captured tensor has no device, by which the reduction finds its replicas.
    values = tf.nest.map_structure(tf.identity, values)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)


def replica_id(replica: tf.distribute.ReplicaContext) -> tf.Tensor:
    """Returns which replica this is, int32."""
    return tf.cast(replica.replica_id_in_sync_group, tf.int32)


def first_replica(strategy: tf.distribute.Strategy, value: Any) -> tf.Tensor:
    """Returns this process' first replica's value; all replicas have the same."""
    return strategy.experimental_local_results(value)[0]


def place_rows(replica: tf.distribute.ReplicaContext, values: tf.Tensor) -> tf.Tensor:
    """Puts a replica's rows where they stand among those of all replicas, 0 elsewhere.

    The sum over replicas then holds all rows, whatever a strategy can gather.
    """
    count = replica.num_replicas_in_sync
    if count == 1:
        return values
    own, nothing = replica_id(replica), tf.zeros_like(values)
    return tf.concat([tf.where(own == i, values, nothing) for i in range(count)], 0)


def all_max(replica: tf.distribute.ReplicaContext, values: tf.Tensor) -> tf.Tensor:
    """Returns the largest of values over all replicas, in each of them."""
    rows = all_reduce(replica, place_rows(replica, values[tf.newaxis]))
    return tf.reduce_max(rows, axis=0)
