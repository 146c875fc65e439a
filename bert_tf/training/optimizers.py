"""AdamW and LAMB as BERT uses them: one fused update a variable.

An optimizer here is a rule and its slots, nothing else. Gradients reach it already
summed over replicas, with the factor that clips them, and it adds no reduction of its
own, as Keras' optimizers do.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from bert_tf.checkpoints.added_variables import ADDED
from bert_tf.config import OptimizerConfig
from bert_tf.errors import InputError
from bert_tf.ops.compiled import compiled


def create_optimizer(
    config: OptimizerConfig, variables: Mapping[str, keras.Variable]
) -> "Optimizer":
    """Creates the optimizer that a configuration names.

    Args:
        config: the optimizer's settings.
        variables: the variables to train by name; see
            `bert_tf.models.variables.trained_variables`.

    Returns:
        The optimizer, with its slots created in the current distribution scope.
    """
    return Optimizer(config, variables)


def clipping_factor(norm: tf.Tensor, max_norm: float) -> tf.Tensor:
    """Returns what gradients are multiplied by to have a joint norm of `max_norm`.

    The update of each variable multiplies (`Optimizer.apply`): a clipped copy of all
    gradients would be one more pass over memory.

    Args:
        norm: of all gradients together, float32 scalar.
        max_norm: the bound; 0 for none.

    Returns:
        float32 scalar, at most 1.

    Source: Pascanu et al. 2013 (arXiv:1211.5063); computed as
    `tf.clip_by_global_norm` does.
    """
    if not max_norm:
        return tf.ones([])
    return max_norm * tf.minimum(1.0 / norm, 1.0 / max_norm)


class Optimizer:
    """Means of gradients and of their squares, and an update made of them.

    Attributes:
        slots: the means by name, `<variable>/adam_m` and `<variable>/adam_v`.
    """

    def __init__(
        self, config: OptimizerConfig, variables: Mapping[str, keras.Variable]
    ):
        self._config = config
        self._variables = dict(variables)
        self.slots = {
            f"{name}/{slot}": tf.Variable(
                tf.zeros(variable.shape), trainable=False, name=f"{name}/{slot}"
            )
            for name, variable in variables.items()
            for slot in ("adam_m", "adam_v")
        }
        exclude = config.exclude_from_weight_decay
        self._decay_rates = {
            name: 0.0
            if any(re.search(pattern, name) for pattern in (*exclude, f"^{ADDED}"))
            else config.weight_decay_rate
            for name in variables
        }

        self._update_settings = _UpdateSettings(
            config.name, config.beta_1, config.beta_2, config.epsilon
        )
        self._rate_factors = rate_factors(config, list(variables))

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        step: tf.Tensor | int,
        factor: tf.Tensor | float = 1.0,
    ) -> None:
        """Updates every variable once.

        Args:
            gradients: one a variable, in the order of the variables, reduced over
                replicas.
            learning_rate: float32 scalar.
            step: updates made so far; needed for bias correction.
            factor: what the gradients are multiplied by, float32 scalar; see
                `clipping_factor`.

        Raises:
            InputError: not one gradient a variable, or a variable has none.
        """
        if len(gradients) != len(self._variables):
            raise InputError(
                f"`gradients` must hold one gradient for each of the "
                f"{len(self._variables)} variables. Received: {len(gradients)}"
            )
        learning_rate, factor = (
            tf.cast(number, tf.float32) for number in (learning_rate, factor)
        )
        corrections = tf.constant(0.0), tf.constant(0.0)
        if self._config.bias_correction:
            count = tf.cast(step, tf.float32) + 1.0
            corrections = self._config.beta_1**count, self._config.beta_2**count
        for (name, variable), gradient in zip(
            self._variables.items(), gradients, strict=True
        ):
            if gradient is None:
                raise InputError(
                    f"`gradients` must hold a gradient for {name!r}. Received: None"
                )
            rate_factor = self._rate_factors[name]
            if not rate_factor:
                continue
            # By handle: under a distribution strategy this replica's own copy, where
            # `assign` would reduce over replicas once more.
            slots = (self.slots[f"{name}/adam_m"], self.slots[f"{name}/adam_v"])
            _update_by_handle(
                (variable.value.handle, *(slot.handle for slot in slots)),
                tf.convert_to_tensor(gradient),
                factor,
                learning_rate * rate_factor,
                corrections,
                shape=tuple(variable.shape),
                decay_rate=self._decay_rates[name],
                config=self._update_settings,
            )


def rate_factors(config: OptimizerConfig, names: Sequence[str]) -> dict[str, float]:
    """Returns each variable's share of the learning rate: 0.0 for a frozen one.

    Args:
        config: `layer_decay` and `frozen`.
        names: of the variables. The embeddings lie below the first layer of the
            encoder; what lies outside both, above the last.

    Source of the decay by layers: Howard and Ruder 2018 (arXiv:1801.06146), section
    3.2; ELECTRA's `optimization.py` for a transformer.
    """
    layers = {name: re.search(r"/layer_(\d+)/", name) for name in names}
    depth = 1 + max((int(found[1]) for found in layers.values() if found), default=-1)
    factors = {}
    for name, found in layers.items():
        below_top = 0
        if found:
            below_top = depth - int(found[1])
        elif "/embeddings/" in name:
            below_top = depth + 1
        frozen = any(re.search(pattern, name) for pattern in config.frozen)
        factors[name] = 0.0 if frozen else config.layer_decay**below_top
    return factors


@dataclasses.dataclass(frozen=True)
class _UpdateSettings:
    """What the updates of all variables have in common; see `OptimizerConfig`."""

    name: str
    beta_1: float
    beta_2: float
    epsilon: float


@compiled
def _update_by_handle(
    handles: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    gradient: tf.Tensor,
    factor: tf.Tensor,
    learning_rate: tf.Tensor,
    beta_powers: tuple[tf.Tensor, tf.Tensor],
    *,
    shape: tuple[int, ...],
    decay_rate: float,
    config: _UpdateSettings,
) -> None:
    """Updates a variable and its slots in one pass over memory.

    Args:
        handles: of the variable, of the mean of its gradients, and of the mean of
            their squares.
        gradient: its gradient.
        factor: what that is multiplied by, float32 scalar.
        learning_rate: float32 scalar.
        beta_powers: each beta to the power of the number of updates, this one
            included, float32 scalars; 0 for no bias correction.
        shape: of the variable.
        decay_rate: its weight decay.
        config: the rule and its numbers.
    """

    def read(handle: tf.Tensor) -> tf.Tensor:
        value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        return tf.ensure_shape(value, shape)

    value, m, v = map(read, handles)
    gradient *= factor
    new_m = config.beta_1 * m + (1.0 - config.beta_1) * gradient
    new_v = config.beta_2 * v + (1.0 - config.beta_2) * tf.square(gradient)
    root = tf.sqrt(new_v / (1.0 - beta_powers[1])) + config.epsilon
    update = new_m / (1.0 - beta_powers[0]) / root + decay_rate * value
    new_value = value - learning_rate * _RULES[config.name](value, update)
    for handle, new in zip(handles, (new_value, new_m, new_v), strict=True):
        tf.raw_ops.AssignVariableOp(resource=handle, value=new)


def _adamw(value: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
    """Adam's update with decoupled weight decay; BERT's has no bias correction.

    Source: google-research/bert, `optimization.AdamWeightDecayOptimizer`; with bias
    correction: Loshchilov and Hutter 2019 (arXiv:1711.05101).
    """
    del value
    return update


def _lamb(value: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
    """Adam's update scaled, variable by variable, to the size of the variable.

    Weight decay is a part of the update whose norm the trust ratio measures.

    Source: You et al. 2020 (arXiv:1904.00962), algorithm 2; NVIDIA
    DeepLearningExamples, `LAMBOptimizer`.
    """
    sizes = tf.norm(value), tf.norm(update)
    usable = (sizes[0] > 0) & (sizes[1] > 0)
    return tf.where(usable, sizes[0] / sizes[1], 1.0) * update


_RULES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "adamw": _adamw,
    "lamb": _lamb,
}
