"""What every metric asks of what it is given."""

from collections.abc import Sized

import numpy as np

from bert_tf.errors import InputError


def check_same_length(**inputs: Sized) -> int:
    """Returns how many examples there are.

    Args:
        **inputs: name -> one entry an example.

    Raises:
        ValueError: the lengths differ, or there is no example.
    """
    lengths = {name: len(values) for name, values in inputs.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"Expected the same number of examples. Received: {lengths}")
    return next(iter(lengths.values()))


def check_logits(logits: np.ndarray) -> np.ndarray:
    """Returns logits as float64.

    Args:
        logits: `[num_examples, num_classes]`; -inf marks what can't be chosen.

    Raises:
        InputError: others are no numbers.
    """
    logits = np.asarray(logits, np.float64)
    check_finite("logits", np.where(np.isneginf(logits), 0.0, logits))
    return logits


def check_finite(name: str, outputs: np.ndarray) -> np.ndarray:
    """Returns a model's outputs as float64.

    Args:
        name: what they are, for the message.
        outputs: `[num_examples, ...]`.

    Raises:
        InputError: the model computed NaN or infinity.
    """
    outputs = np.asarray(outputs, np.float64)
    bad = ~np.isfinite(outputs)
    if bad.any():
        rows = np.flatnonzero(bad.reshape(len(outputs), -1).any(axis=1))
        raise InputError(
            f"The {name} must be numbers. Received: NaN or infinity for {len(rows)} of "
            f"{len(outputs)} examples, the first of them example {rows[0]} (from 0). "
            "The weights are damaged or their training diverged: take an earlier "
            "checkpoint, or train with a lower learning rate."
        )
    return outputs
