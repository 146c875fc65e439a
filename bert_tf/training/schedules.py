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
    `learning_rate` onto the decaying curve. With `decay_from_warmup` it is counted from
    there.

    Args:
        config: `learning_rate`, the warm-up and the decay.
        step: steps done before this one; 0 for the first.
        num_train_steps: the step at which the decay reaches 0.

    Source: google-research/bert, `optimization.create_optimizer`; with
    `decay_from_warmup` Hugging Face, `get_linear_schedule_with_warmup`.
    """
    warmup = warmup_steps(config, num_train_steps)
    if step < warmup:
        return config.learning_rate * step / warmup
    begin = warmup if config.decay_from_warmup else 0
    progress = min((step - begin) / max(num_train_steps - begin, 1), 1.0)
    if config.decay == "cosine":
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    power = config.decay_power if config.decay == "polynomial" else 1.0
    return config.learning_rate * (1.0 - progress) ** power


def warmup_steps(config: OptimizerConfig, num_train_steps: int) -> int:
    """Returns at which step of a schedule the rate is at its peak."""
    if config.warmup_ratio:
        return math.ceil(config.warmup_ratio * num_train_steps)
    return config.warmup_steps


def batch_size(config: BatchConfig, step: int) -> int:
    """Returns how many examples one step of a phase takes.

    The batch grows by the greatest common divisor of its first and its last size, of
    which every micro-batch that divides both is a part: so the sizes do not depend on
    replicas and micro-batches, and a run may go on with others of them.

    Args:
        config: `global_batch_size`, `initial_batch_size` and `batch_ramp_steps`.
        step: steps of the phase done before this one.
    """
    last = config.global_batch_size
    if step >= config.batch_ramp_steps or not config.initial_batch_size:
        return last
    first = config.initial_batch_size
    unit = math.gcd(first, last)
    return first + (last - first) // unit * step // config.batch_ramp_steps * unit


def examples_before(config: BatchConfig, step: int) -> int:
    """Returns how many examples of a phase the steps before `step` took.

    This is the position in the data from which a run resumes.
    """
    ramp = min(step, config.batch_ramp_steps if config.initial_batch_size else 0)
    ramped = sum(batch_size(config, s) for s in range(ramp))
    return ramped + (step - ramp) * config.global_batch_size
