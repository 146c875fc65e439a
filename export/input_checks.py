"""What a server answers to inputs that the model would compute nonsense from."""

from collections.abc import Mapping

import tensorflow as tf

from bert_tf.config import BertConfig


def checked_inputs(
    inputs: Mapping[str, tf.Tensor], config: BertConfig
) -> dict[str, tf.Tensor]:
    """Refuses ids outside of their tables, and examples that are padding only.

    A lookup beyond a table is an error on one device and zeros on another, and
    attention over nothing is a mean of everything: the request gets an error in place
    of an answer.

    Args:
        inputs: of a signature, int32 `[batch, ...]`; those with other names, as texts,
            pass.
        config: the model's.

    Returns:
        The inputs, which are there only once they have been checked: an error of the
        first lookup would not say which input is wrong.
    """
    checks = []
    limits = {
        "input_ids": config.vocab_size,
        "input_mask": 2,
        "segment_ids": config.type_vocab_size,
    }
    if "input_ids" in inputs and "masked_lm_positions" in inputs:
        limits["masked_lm_positions"] = tf.shape(inputs["input_ids"])[1]
    for name, limit in limits.items():
        if name in inputs:
            inside = (inputs[name] >= 0) & (inputs[name] < limit)
            text = f"{name} must be at least 0 and less than"
            inside = tf.reduce_all(inside)
            checks.append(tf.debugging.Assert(inside, [text, limit], name="check"))
    if "input_mask" in inputs:
        real = tf.reduce_any(inputs["input_mask"] == 1, axis=1)
        text = "input_mask must be 1 somewhere in each example: one is padding only"
        real = tf.reduce_all(real)
        checks.append(tf.debugging.Assert(real, [text], name="check"))
    with tf.control_dependencies(checks):
        return {name: tf.identity(value) for name, value in inputs.items()}
