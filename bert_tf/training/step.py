"""The training step and its evaluation, as TensorFlow functions over many steps.

Every number is a sum over examples until the replicas' sums and the micro-batches'
sums are added; then it is divided once. So a global batch gives the same loss and the
same update however it is cut up.

Loops do one iteration at a time. TensorFlow would begin up to ten at once, in as many
times the memory, and XLA for CPUs (TensorFlow 2.21) may crash where two threads are the
first to run the same compiled function.

They are written out as `tf.while_loop`: AutoGraph, which makes one of a `for`, rewrites
every function that the loop calls, two seconds of processor time before the first step.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from bert_tf.models.variables import trained_variables
from bert_tf.ops.dropout import fold_in
from bert_tf.tasks.task import Task
from bert_tf.training.optimizers import clipping_factor
from bert_tf.training.replicas import all_max, all_reduce, first_replica, replica_id
from bert_tf.training.reported_numbers import pack_sums, row_names, sum_names

# A float16 gradient that overflows halves the loss scale; this many steps without one
# double it. Source: Micikevicius et al. 2018 (arXiv:1710.03740), section 3.2.
_LOSS_SCALE_WINDOW = 2000

Batches = Mapping[str, tf.Tensor]


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


class _StepInputs(NamedTuple):
    """What one replica computes one step on; see `CallInputs`.

    Attributes:
        batches: this replica's micro-batches of the whole call.
        begin: int32, the first micro-batch of the step among them.
        count: int32, how many micro-batches it has.
        learning_rate: float32.
        step: int64, steps done before.
        scale: float32, of the loss.
        alive: bool, whether all steps before it were applied.
        host_values: float32 `[2]`.
    """

    batches: Batches
    begin: tf.Tensor
    count: tf.Tensor
    learning_rate: tf.Tensor
    step: tf.Tensor
    scale: tf.Tensor
    alive: tf.Tensor
    host_values: tf.Tensor


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
        optimizer: an optimizer of `bert_tf.training.optimizers`, of the same scope.
        settings: how a step is computed.
    """
    replica_step = _build_replica_step(task, model, optimizer, settings)
    num_columns = len(row_names(task))

    def train(call: CallInputs) -> CallOutputs:
        begins = tf.cumsum(call.micro_batches, exclusive=True)

        def one_step(
            index: tf.Tensor,
            rows: tf.TensorArray,
            alive: tf.Tensor,
            applied: tf.Tensor,
            loss_scale: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.TensorArray, tf.Tensor, tf.Tensor, tf.Tensor]:
            inputs = _StepInputs(
                batches=call.batches,
                begin=begins[index],
                count=call.micro_batches[index],
                learning_rate=call.learning_rates[index],
                step=call.first_step + tf.cast(index, tf.int64),
                scale=loss_scale[0],
                alive=alive,
                host_values=call.host_values,
            )
            row, applies = strategy.run(replica_step, args=(inputs,))
            rows = rows.write(index, first_replica(strategy, row))
            alive = first_replica(strategy, applies)
            if settings.loss_scaling:
                # An overflow is part of the method, unless no scale helps.
                loss_scale = _next_loss_scale(loss_scale, alive)
                alive = loss_scale[0] >= 1.0
            applied += tf.cast(alive, tf.int32)
            return index + 1, rows, alive, applied, loss_scale

        rows = tf.TensorArray(tf.float32, call.num_steps, element_shape=[num_columns])
        _, rows, _, applied, loss_scale = tf.while_loop(
            lambda index, *_: index < call.num_steps,
            one_step,
            (0, rows, True, 0, call.loss_scale),
            parallel_iterations=1,
        )
        return CallOutputs(rows.stack(), applied, loss_scale)

    return tf.function(train, autograph=False)


def _build_replica_step(
    task: Task, model: Any, optimizer: Any, settings: StepSettings
) -> Callable[[_StepInputs], tuple[tf.Tensor, tf.Tensor]]:
    """Builds one step of one replica: its row of numbers, and whether it applied."""
    summed_gradients = _build_summed_gradients(task, model, settings)
    begins = type(task).begin_step is not Task.begin_step

    def begin_step(step: tf.Tensor) -> tf.Tensor:
        task.begin_step(model, step)
        return tf.constant(True)

    def replica_step(inputs: _StepInputs) -> tuple[tf.Tensor, tf.Tensor]:
        replica = tf.distribute.get_replica_context()
        step_seed = fold_in(tf.constant([settings.seed, 0]), inputs.step)
        step_seed = fold_in(step_seed, replica_id(replica))
        if begins:
            # Not once a loss was not finite: what is saved then is the state before.
            tf.cond(
                inputs.alive,
                lambda: begin_step(inputs.step),
                lambda: tf.constant(True),
            )
        # The divisors first: they depend on inputs only, and with them the summed
        # gradient needs no division, though each loss has a divisor of its own.
        whole = {
            name: _rows(values, inputs.begin, inputs.count)
            for name, values in inputs.batches.items()
        }
        weights = all_reduce(replica, task.weights(whole))
        grads, sums = summed_gradients(inputs, weights, step_seed)
        grads, sums, host_values = all_reduce(
            replica, (grads, sums, inputs.host_values)
        )
        if settings.loss_scaling:
            grads = [g / inputs.scale for g in grads]
        norm = tf.linalg.global_norm(grads)
        factor = clipping_factor(norm, settings.max_grad_norm)
        finite = tf.math.is_finite(norm) & tf.reduce_all(tf.math.is_finite(sums))
        applies = finite & inputs.alive
        tf.cond(
            applies,
            lambda: _apply(optimizer, grads, inputs, factor),
            lambda: tf.constant(True),
        )
        task.end_step(model, inputs.step, applies, functools.partial(all_max, replica))
        row = tf.concat([sums, [norm, inputs.learning_rate], host_values], 0)
        return row, applies

    return replica_step


def _build_summed_gradients(
    task: Task, model: Any, settings: StepSettings
) -> Callable[..., tuple[list[tf.Tensor], tf.Tensor]]:
    """Builds the sum of gradients and of losses over a replica's micro-batches."""
    variables, names = list(trained_variables(model).values()), sum_names(task)

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
            loss = tf.add_n(means) * (scale if settings.loss_scaling else 1.0)
        grads = tape.gradient(loss, variables, unconnected_gradients="zero")
        packed = pack_sums(names, task, batch, sums)
        return [tf.convert_to_tensor(g) for g in grads], packed

    if settings.jit_compile:
        gradients = tf.function(gradients, jit_compile=True, autograph=False)

    def summed_gradients(
        inputs: _StepInputs, weights: Batches, seed: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        if settings.static_micro_batches == 1:
            batch = _micro_batch(inputs, 0)
            return gradients(batch, weights, inputs.scale, fold_in(seed, 0))

        def add_one(
            index: tf.Tensor, grads: list[tf.Tensor], sums: tf.Tensor
        ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
            batch = _micro_batch(inputs, index)
            more, more_sums = gradients(
                batch, weights, inputs.scale, fold_in(seed, index)
            )
            grads = [g + m for g, m in zip(grads, more, strict=True)]
            return index + 1, grads, sums + more_sums

        zeros = [tf.zeros_like(v) for v in variables]
        _, grads, sums = tf.while_loop(
            lambda index, *_: index < inputs.count,
            add_one,
            (0, zeros, tf.zeros([len(names)])),
            parallel_iterations=1,
        )
        return grads, sums

    return summed_gradients


def _micro_batch(inputs: _StepInputs, index: tf.Tensor | int) -> Batches:
    place = inputs.begin + index
    batch = {name: values[place] for name, values in inputs.batches.items()}
    num_rows = batch.pop("num_rows", None)
    if num_rows is None:
        return batch
    return {name: values[:num_rows] for name, values in batch.items()}


def _rows(values: tf.Tensor, begin: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Merges the micro-batches of a step into one batch."""
    step = values[begin : begin + count]
    return tf.reshape(step, tf.concat([[-1], tf.shape(step)[2:]], 0))


def _apply(
    optimizer: Any, grads: list[tf.Tensor], inputs: _StepInputs, factor: tf.Tensor
) -> tf.Tensor:
    optimizer.apply(grads, inputs.learning_rate, inputs.step, factor)
    return tf.constant(True)


def _next_loss_scale(loss_scale: tf.Tensor, finite: tf.Tensor) -> tf.Tensor:
    scale, steps = loss_scale[0], loss_scale[1] + 1
    grown = steps >= _LOSS_SCALE_WINDOW
    good = tf.stack([tf.where(grown, scale * 2, scale), tf.where(grown, 0.0, steps)])
    return tf.where(finite, good, tf.stack([scale / 2, 0.0]))
