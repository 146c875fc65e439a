"""What every framework of `benchmarks.training_step` does: the batch, the settings."""

import time
from collections.abc import Callable

import numpy as np

from bert_tf.config import BertConfig

Batch = dict[str, np.ndarray]
RunSteps = Callable[[int], list[float]]

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0


def make_batch(
    config: BertConfig, *, batch_size: int, seq_length: int, predictions: int
) -> Batch:
    """Returns a batch of full sequences and full predictions, the same for all."""
    rng = np.random.default_rng(0)
    shape = batch_size, seq_length
    positions = [
        np.sort(rng.choice(seq_length - 1, predictions, replace=False) + 1)
        for _ in range(batch_size)
    ]
    return {
        "input_ids": rng.integers(0, config.vocab_size, shape),
        "input_mask": np.ones(shape, np.int64),
        "segment_ids": np.tile(
            np.arange(seq_length) >= seq_length // 2, (batch_size, 1)
        ).astype(np.int64),
        "masked_lm_positions": np.stack(positions),
        "masked_lm_ids": rng.integers(0, config.vocab_size, (batch_size, predictions)),
        "masked_lm_weights": np.ones((batch_size, predictions), np.float32),
        "next_sentence_labels": rng.integers(0, 2, (batch_size, 1)),
    }


def timed(step: Callable[[int], None]) -> RunSteps:
    """Returns a function that takes so many steps, and tells the seconds of each.

    Args:
        step: takes the number of the step; ends when the step has.
    """

    def run(steps: int) -> list[float]:
        seconds = []
        for number in range(steps):
            start = time.perf_counter()
            step(number)
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def keras_policy(precision: str) -> str:
    """Returns the name of Keras' policy that computes in a precision."""
    return precision if precision == "float32" else f"mixed_{precision}"
