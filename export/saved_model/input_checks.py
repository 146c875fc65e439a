"""What a server answers to inputs that the model would compute nonsense from."""

from collections.abc import Mapping

import tensorflow as tf

from bert_tf.config import BertConfig

WITH_INPUT_IDS = ("input_ids", "input_mask", "segment_ids")
"""Inputs that have a number for each of `input_ids`; others have their own lengths."""


def checked_inputs(
    inputs: Mapping[str, tf.Tensor],
    config: BertConfig,
    decoder_config: BertConfig | None = None,
) -> dict[str, tf.Tensor]:
    """Refuses ids outside of their tables, other shapes, and examples of padding only.

    A lookup beyond a table is an error on one device and zeros on another, and
    attention over nothing is a mean of everything: the request gets an error in place
    of an answer.

    Args:
        inputs: of a signature, int32 `[batch, ...]`; those with other names, as texts,
            pass.
        config: the model's.
        decoder_config: its decoder's, if that is another.

    Returns:
        The inputs, which are there only once they have been checked: an error of the
        first lookup would not say which input is wrong.
    """
    checks: list[tf.Operation] = []
    limits: dict[str, int | tf.Tensor] = {
        "input_ids": config.vocab_size,
        "input_mask": 2,
        "segment_ids": config.type_vocab_size,
        "decoder_input_ids": (decoder_config or config).vocab_size,
    }
    if "input_ids" in inputs and "masked_lm_positions" in inputs:
        limits["masked_lm_positions"] = tf.shape(inputs["input_ids"])[1]
    for name, limit in limits.items():
        if name in inputs:
            # What is below 0 is above any limit as an unsigned number.
            ids = tf.bitcast(inputs[name], tf.uint32)
            text = f"{name} must be at least 0 and less than"
            checks.append(_assert(ids < tf.cast(limit, tf.uint32), text, limit))
    if "input_ids" in inputs:
        shape = tf.shape(inputs["input_ids"])
        for name in WITH_INPUT_IDS[1:]:
            if name not in inputs:
                continue
            # Another size would be spread over the ids: an answer to another question.
            text = f"{name} must have the shape of input_ids"
            checks.append(_assert(tf.equal(tf.shape(inputs[name]), shape), text))
    if "input_mask" in inputs:
        # Nothing but 0 and 1 gets here.
        real = tf.reduce_any(tf.cast(inputs["input_mask"], tf.bool), axis=1)
        text = "input_mask must be 1 somewhere in each example: one is padding only"
        checks.append(_assert(real, text))
    with tf.control_dependencies(checks):
        return {name: tf.identity(value) for name, value in inputs.items()}


def _assert(holds: tf.Tensor, *message: str | int | tf.Tensor) -> tf.Operation:
    """Refuses a request where something does not hold everywhere.

    `tf.debugging.Assert` would put the message into a branch of its own, which takes
    longer to decide on than to make.
    """
    return tf.raw_ops.Assert(
        condition=tf.reduce_all(holds),
        data=[tf.convert_to_tensor(part) for part in message],
        summarize=3,
    )
