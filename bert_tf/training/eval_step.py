"""One step of an evaluation, as TensorFlow functions."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bert_tf.tasks.task import Task
from bert_tf.tasks.writing import Writing
from bert_tf.training.replicas import all_reduce, first_replica, place_rows
from bert_tf.training.reported_numbers import pack_sums, sum_names

Batches = Mapping[str, tf.Tensor]


def build_eval_function(
    strategy: tf.distribute.Strategy, task: Task, model: Any
) -> Callable[[Batches], tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """Builds the function that evaluates one micro-batch of each replica.

    Returns:
        A function of the batches, per replica name -> `[batch, ...]`. It returns
        float32 `[sums]` in the order of `sum_names`, added over replicas, and the
        task's predictions, name -> `[replicas * batch, ...]`.
    """
    names = sum_names(task)

    def replica_step(batch: Batches) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        outputs = task.apply(model, batch)
        replica = tf.distribute.get_replica_context()
        sums = pack_sums(names, task, batch, task.sums(outputs, batch))
        predictions = task.predictions(outputs, batch)
        gathered = {name: place_rows(replica, p) for name, p in predictions.items()}
        return all_reduce(replica, (sums, gathered))

    @tf.function(reduce_retracing=True, autograph=False)
    def evaluate(batch: Batches) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        sums, predictions = strategy.run(replica_step, args=(batch,))
        return first_replica(strategy, sums), {
            name: first_replica(strategy, value) for name, value in predictions.items()
        }

    return evaluate


def build_writing_function(
    strategy: tf.distribute.Strategy, writing: Writing, model: Any
) -> Callable[[Batches], tf.Tensor]:
    """Builds the function that writes for one micro-batch of each replica.

    Returns:
        A function of the batches, per replica name -> `[batch, ...]`, that returns
        tokens, int32 `[replicas * batch, max_new_tokens]`.
    """

    def replica_step(batch: Batches) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        return all_reduce(replica, place_rows(replica, writing.write(model, batch)))

    @tf.function(reduce_retracing=True, autograph=False)
    def write(batch: Batches) -> tf.Tensor:
        return first_replica(strategy, strategy.run(replica_step, args=(batch,)))

    return write
