"""AdamW and LAMB as BERT uses them: one fused update a variable.

An optimiser here is a rule and its slots, nothing else. Gradients reach it already
summed over replicas and clipped, and it adds no reduction of its own, as Keras'
optimisers do.
"""

import re
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from bert_tf.config import OptimizerConfig


def create_optimizer(
    config: OptimizerConfig, variables: Mapping[str, keras.Variable]
) -> "Optimizer":
    """Creates the optimiser that a configuration names.

    Args:
        config: the optimiser's settings.
        variables: the variables to train by name; see `bert_tf.models.named_variables`.

    Returns:
        The optimiser, with its slots created in the current distribution scope.
    """
    return {"adamw": AdamW, "lamb": Lamb}[config.name](config, variables)


def clip_by_global_norm(
    gradients: Sequence[tf.Tensor], max_norm: float
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Scales gradients down so that their joint norm is at most `max_norm`.

    Args:
        gradients: one a variable.
        max_norm: the bound; 0 for none.

    Returns:
        The clipped gradients and the norm before clipping, float32 scalar.

    Source: Pascanu et al. 2013 (arXiv:1211.5063).
    """
    norm = tf.linalg.global_norm(gradients)
    if not max_norm:
        return list(gradients), norm
    return tf.clip_by_global_norm(gradients, max_norm, use_norm=norm)[0], norm


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
            if any(re.search(pattern, name) for pattern in exclude)
            else config.weight_decay_rate
            for name in variables
        }

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        step: tf.Tensor | int,
    ) -> None:
        """Updates every variable once.

        Args:
            gradients: one a variable, in the order of the variables; final, that is,
                reduced over replicas and clipped.
            learning_rate: float32 scalar.
            step: updates made so far; needed for bias correction.

        Raises:
            ValueError: not one gradient a variable, or a variable has none.
        """
        if len(gradients) != len(self._variables):
            raise ValueError(
                f"`gradients` must hold one gradient for each of the "
                f"{len(self._variables)} variables. Received: {len(gradients)}"
            )
        learning_rate = tf.cast(learning_rate, tf.float32)
        corrections = tf.constant(0.0), tf.constant(0.0)
        if self._config.bias_correction:
            count = tf.cast(step, tf.float32) + 1.0
            corrections = self._config.beta_1**count, self._config.beta_2**count
        for (name, variable), gradient in zip(
            self._variables.items(), gradients, strict=True
        ):
            if gradient is None:
                raise ValueError(
                    f"`gradients` must hold a gradient for {name!r}. Received: None"
                )
            self._update(
                variable.value,
                self.slots[f"{name}/adam_m"],
                self.slots[f"{name}/adam_v"],
                tf.convert_to_tensor(gradient),
                learning_rate,
                self._decay_rates[name],
                corrections,
            )

    def _update(
        self,
        variable: tf.Variable,
        m: tf.Variable,
        v: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        decay_rate: float,
        corrections: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        """Updates one variable and its slots.

        Args:
            variable: the variable.
            m: mean of its gradients.
            v: mean of their squares.
            gradient: its gradient.
            learning_rate: float32 scalar.
            decay_rate: its weight decay.
            corrections: `beta_1` and `beta_2` to the power of the number of updates,
                this one included, float32 scalars; zeros for no bias correction.
        """
        raise NotImplementedError


class AdamW(Optimizer):
    """Adam with decoupled weight decay; BERT's has no bias correction.

    Source: google-research/bert, `optimization.AdamWeightDecayOptimizer`; with bias
    correction: Loshchilov and Hutter 2019 (arXiv:1711.05101).
    """

    def _update(
        self,
        variable: tf.Variable,
        m: tf.Variable,
        v: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        decay_rate: float,
        corrections: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        beta_1_power, beta_2_power = corrections
        if decay_rate:
            variable.assign_sub(learning_rate * decay_rate * variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=learning_rate,
            beta1=self._config.beta_1,
            beta2=self._config.beta_2,
            # The kernel adds epsilon to the root of the uncorrected mean.
            epsilon=self._config.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=gradient,
        )


class Lamb(Optimizer):
    """Adam's update scaled, variable by variable, to the size of the variable.

    Weight decay is a part of the update whose norm the trust ratio measures.

    Source: You et al. 2020 (arXiv:1904.00962), algorithm 2; NVIDIA
    DeepLearningExamples, `LAMBOptimizer`.
    """

    def _update(
        self,
        variable: tf.Variable,
        m: tf.Variable,
        v: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        decay_rate: float,
        corrections: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        config = self._config
        new_m = config.beta_1 * m + (1.0 - config.beta_1) * gradient
        new_v = config.beta_2 * v + (1.0 - config.beta_2) * tf.square(gradient)
        root = tf.sqrt(new_v / (1.0 - corrections[1])) + config.epsilon
        update = new_m / (1.0 - corrections[0]) / root
        update += decay_rate * variable
        variable_norm, update_norm = tf.norm(variable), tf.norm(update)
        trust_ratio = tf.where(
            (variable_norm > 0) & (update_norm > 0), variable_norm / update_norm, 1.0
        )
        m.assign(new_m)
        v.assign(new_v)
        variable.assign_sub(learning_rate * trust_ratio * update)
