"""The training step and its evaluation, as TensorFlow functions over many steps.

Every number is a sum over examples until the replicas' sums and the micro-batches'
sums are added; then it is divided once. So a global batch gives the same loss and the
same update however it is cut up.

Loops do one iteration at a time. TensorFlow would begin up to ten at once, in as many
times the memory, and XLA for CPUs (TensorFlow 2.21) may crash where two threads are the
first to run the same compiled function.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from bert_tf.ops.dropout import fold_in
from bert_tf.tasks.task import Task
from bert_tf.training.optimizers import clip_by_global_norm

# A float16 gradient that overflows halves the loss scale; this many steps without one
# double it. Source: Micikevicius et al. 2018 (arXiv:1710.03740), section 3.2.
_LOSS_SCALE_WINDOW = 2000

Batches = Mapping[str, tf.Tensor]


def sum_names(task: Task) -> list[str]:
    """Returns the names of the sums that the functions below report, in order."""
    of_losses = [
        f"{loss}_{part}" for loss in task.losses for part in ("weight", "loss")
    ]
    return [*of_losses, *task.counts, "tokens"]


HOST_VALUES = ("stop_requested", "damaged_records")
"""Numbers that each replica feeds in and gets back summed over all of them."""


def row_names(task: Task) -> list[str]:
    """Returns the names of the numbers that a training step reports, in order."""
    return [*sum_names(task), "gradient_norm", "learning_rate", *HOST_VALUES]


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """How a training step is computed.

    Attributes:
        seed: Seed of the dropout masks.
        max_grad_norm: clips the summed gradient to it; 0 for no clipping.
        static_micro_batches: micro-batches of every step, or None if it varies.
        jit_compile: whether XLA compiles the forward and backward pass.
        loss_scaling: whether float16 gradients are scaled, and steps whose gradients
            overflow passed over.
    """

    seed: int = 0
    max_grad_norm: float = 1.0
    static_micro_batches: int | None = 1
    jit_compile: bool = False
    loss_scaling: bool = False


class CallInputs(NamedTuple):
    """What one call of the training function computes on.

    Attributes:
        batches: per replica name -> `[micro-batches, batch, ...]` of all steps, with
            int32 `num_rows` `[micro-batches]` if not all rows of a batch are to be
            computed.
        host_values: per replica float32 `[2]`, see `HOST_VALUES`.
        micro_batches: int32 `[steps]`, of each step.
        learning_rates: float32 `[steps]`.
        first_step: int64, steps done before.
        num_steps: int32, how many of the steps to do.
        loss_scale: float32 `[2]`, the scale and the steps since it changed.
    """

    batches: Batches
    host_values: tf.Tensor
    micro_batches: tf.Tensor
    learning_rates: tf.Tensor
    first_step: tf.Tensor
    num_steps: tf.Tensor
    loss_scale: tf.Tensor


class CallOutputs(NamedTuple):
    """What one call of the training function returns.

    Attributes:
        rows: float32 `[num_steps, numbers]` in the order of `row_names`.
        applied: int32, the number of steps applied: fewer than asked for if a loss was
            not finite, which leaves the variables as they were before it.
        loss_scale: float32 `[2]`, the new one.
    """

    rows: tf.Tensor
    applied: tf.Tensor
    loss_scale: tf.Tensor


def build_train_function(
    strategy: tf.distribute.Strategy,
    task: Task,
    model: Any,
    optimizer: Any,
    settings: StepSettings,
) -> Callable[[CallInputs], CallOutputs]:
    """Builds the function that trains for several steps.

    Args:
        strategy: distributes it.
        task: the losses.
        model: built in the strategy's scope.
        optimizer: an optimiser of `bert_tf.training.optimizers`, of the same scope.
        settings: how a step is computed.
    """
    seed, loss_scaling = settings.seed, settings.loss_scaling
    variables = model.trainable_variables
    names = sum_names(task)

    def gradients(
        batch: Batches, weights: Batches, scale: tf.Tensor, dropout_seed: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = task.apply(model, batch, training=True, dropout_seed=dropout_seed)
            sums = task.sums(outputs, batch, training=True)
            means = [
                tf.math.divide_no_nan(sums[f"{name}_loss"], weights[name])
                for name in task.losses
            ]
            loss = tf.add_n(means) * (scale if loss_scaling else 1.0)
        grads = tape.gradient(loss, variables, unconnected_gradients="zero")
        return [tf.convert_to_tensor(g) for g in grads], _pack_sums(
            names, task, batch, sums
        )

    if settings.jit_compile:
        gradients = tf.function(gradients, jit_compile=True)

    def replica_step(
        batches: Batches,
        begin: tf.Tensor,
        count: tf.Tensor,
        learning_rate: tf.Tensor,
        step: tf.Tensor,
        scale: tf.Tensor,
        alive: tf.Tensor,
        host_values: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        replica = tf.distribute.get_replica_context()
        step_seed = fold_in(fold_in(tf.constant([seed, 0]), step), _replica_id(replica))

        def micro_batch(index: tf.Tensor | int) -> Batches:
            batch = {name: values[begin + index] for name, values in batches.items()}
            num_rows = batch.pop("num_rows", None)
            if num_rows is None:
                return batch
            return {name: values[:num_rows] for name, values in batch.items()}

        # The divisors first: they depend on inputs only, and with them the summed
        # gradient needs no division, though each loss has a divisor of its own.
        whole = {name: _rows(v, begin, count) for name, v in batches.items()}
        weights = _all_reduce(replica, task.weights(whole))
        if settings.static_micro_batches == 1:
            grads, sums = gradients(
                micro_batch(0), weights, scale, fold_in(step_seed, 0)
            )
        else:
            grads = [tf.zeros_like(v) for v in variables]
            sums = tf.zeros([len(names)])
            for index in tf.range(count):
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                more, more_sums = gradients(
                    micro_batch(index), weights, scale, fold_in(step_seed, index)
                )
                grads = [g + m for g, m in zip(grads, more, strict=True)]
                sums += more_sums
        grads, sums, host_values = _all_reduce(replica, (grads, sums, host_values))
        if loss_scaling:
            grads = [g / scale for g in grads]
        grads, norm = clip_by_global_norm(grads, settings.max_grad_norm)
        finite = tf.math.is_finite(norm) & tf.reduce_all(tf.math.is_finite(sums))
        applies = finite & alive
        tf.cond(
            applies,
            lambda: _apply(optimizer, grads, learning_rate, step),
            lambda: tf.constant(True),
        )
        row = tf.concat([sums, [norm, learning_rate], host_values], 0)
        return row, applies

    @tf.function
    def train(call: CallInputs) -> CallOutputs:
        begins = tf.cumsum(call.micro_batches, exclusive=True)
        shape = [len(row_names(task))]
        rows = tf.TensorArray(tf.float32, call.num_steps, element_shape=shape)
        alive, applied, loss_scale = tf.constant(True), tf.constant(0), call.loss_scale
        for index in tf.range(call.num_steps):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            row, applies = strategy.run(
                replica_step,
                args=(
                    call.batches,
                    begins[index],
                    call.micro_batches[index],
                    call.learning_rates[index],
                    call.first_step + tf.cast(index, tf.int64),
                    loss_scale[0],
                    alive,
                    call.host_values,
                ),
            )
            rows = rows.write(index, _first(strategy, row))
            ok = _first(strategy, applies)
            if loss_scaling:
                # An overflow is part of the method, unless no scale helps.
                loss_scale = _next_loss_scale(loss_scale, ok)
                alive = loss_scale[0] >= 1.0
                applied += tf.cast(alive, tf.int32)
            else:
                alive = ok
                applied += tf.cast(ok, tf.int32)
        return CallOutputs(rows.stack(), applied, loss_scale)

    return train


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
        sums = _pack_sums(names, task, batch, task.sums(outputs, batch))
        predictions = task.predictions(outputs, batch)
        gathered = {name: _place(replica, p) for name, p in predictions.items()}
        return _all_reduce(replica, (sums, gathered))

    @tf.function(reduce_retracing=True)
    def evaluate(batch: Batches) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        sums, predictions = strategy.run(replica_step, args=(batch,))
        return _first(strategy, sums), {
            name: _first(strategy, value) for name, value in predictions.items()
        }

    return evaluate


def _place(replica: tf.distribute.ReplicaContext, values: tf.Tensor) -> tf.Tensor:
    """Puts a replica's rows where they stand among those of all replicas, 0 elsewhere.

    The sum over replicas then holds all rows, whatever a strategy can gather.
    """
    count = replica.num_replicas_in_sync
    if count == 1:
        return values
    own, nothing = _replica_id(replica), tf.zeros_like(values)
    return tf.concat([tf.where(own == i, values, nothing) for i in range(count)], 0)


def _pack_sums(
    names: Sequence[str], task: Task, batch: Batches, sums: Batches
) -> tf.Tensor:
    weights = {f"{name}_weight": w for name, w in task.weights(batch).items()}
    values = {**sums, **weights, "tokens": task.num_tokens(batch)}
    return tf.stack([tf.cast(values[name], tf.float32) for name in names])


def _rows(values: tf.Tensor, begin: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Merges the micro-batches of a step into one batch."""
    step = values[begin : begin + count]
    return tf.reshape(step, tf.concat([[-1], tf.shape(step)[2:]], 0))


def _all_reduce(replica: tf.distribute.ReplicaContext, values: Any) -> Any:
    if replica.num_replicas_in_sync == 1:
        return values
    # A captured tensor has no device, by which the reduction finds its replicas.
    values = tf.nest.map_structure(tf.identity, values)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)


def _replica_id(replica: tf.distribute.ReplicaContext) -> tf.Tensor:
    return tf.cast(replica.replica_id_in_sync_group, tf.int32)


def _first(strategy: tf.distribute.Strategy, value: Any) -> tf.Tensor:
    """Returns this process' first replica's value; all replicas have the same."""
    return strategy.experimental_local_results(value)[0]


def _apply(
    optimizer: Any, grads: list[tf.Tensor], learning_rate: tf.Tensor, step: tf.Tensor
) -> tf.Tensor:
    optimizer.apply(grads, learning_rate, step)
    return tf.constant(True)


def _next_loss_scale(loss_scale: tf.Tensor, finite: tf.Tensor) -> tf.Tensor:
    scale, steps = loss_scale[0], loss_scale[1] + 1
    grown = steps >= _LOSS_SCALE_WINDOW
    good = tf.stack([tf.where(grown, scale * 2, scale), tf.where(grown, 0.0, steps)])
    return tf.where(finite, good, tf.stack([scale / 2, 0.0]))
