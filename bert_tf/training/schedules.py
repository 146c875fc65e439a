"""Learning rate and batch size as pure functions of the step.

They are computed on the host, in float64, and fed to the training step: no variable to
save, nothing to trace, the same on every device.
"""

import math

from bert_tf.config import BatchConfig, OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, num_train_steps: int) -> float:
    """Returns the learning rate of one step.

    Linear warm-up from 0, then a decay that is counted from step 0, as
    google-research/bert does: at the end of the warm-up the rate steps from
    `learning_rate` onto the decaying curve.

    Args:
        config: `learning_rate`, the warm-up, `decay` and `decay_power`.
        step: steps done before this one; 0 for the first.
        num_train_steps: the step at which the decay reaches 0.

    Source: google-research/bert, `optimization.create_optimizer`.
    """
    warmup_steps = config.warmup_steps
    if config.warmup_ratio:
        warmup_steps = math.ceil(config.warmup_ratio * num_train_steps)
    if step < warmup_steps:
        return config.learning_rate * step / warmup_steps
    progress = min(step / num_train_steps, 1.0)
    if config.decay == "cosine":
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    power = config.decay_power if config.decay == "polynomial" else 1.0
    return config.learning_rate * (1.0 - progress) ** power


def micro_batches(config: BatchConfig, step: int, micro_batch_size: int) -> int:
    """Returns how many micro-batches one step of a phase takes.

    Args:
        config: `global_batch_size`, `initial_batch_size` and `batch_ramp_steps`.
        step: steps of the phase done before this one.
        micro_batch_size: examples of a micro-batch over all replicas; divides both
            batch sizes.
    """
    last = config.global_batch_size // micro_batch_size
    if step >= config.batch_ramp_steps or not config.initial_batch_size:
        return last
    first = config.initial_batch_size // micro_batch_size
    return first + (last - first) * step // config.batch_ramp_steps


def examples_before(config: BatchConfig, step: int, micro_batch_size: int) -> int:
    """Returns how many examples of a phase the steps before `step` took.

    This is the position in the data from which a run resumes.
    """
    ramp = min(step, config.batch_ramp_steps if config.initial_batch_size else 0)
    ramped = sum(micro_batches(config, s, micro_batch_size) for s in range(ramp))
    return ramped * micro_batch_size + (step - ramp) * config.global_batch_size
