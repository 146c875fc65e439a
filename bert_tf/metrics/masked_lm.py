"""Masked tokens guessed."""

from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.inputs import check_same_length


def masked_token_metrics(
    guesses: np.ndarray, label_ids: np.ndarray, ks: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """Counts how often the masked token is among the likeliest guesses.

    Args:
        guesses: int `[num_masked, num_guesses]`, ids of the likeliest tokens, the
            likeliest first; padding left out.
        label_ids: int `[num_masked]`.
        ks: numbers of guesses, none above `num_guesses`.

    Returns:
        `accuracy`, for one guess, and `accuracy_at_<k>` for each other k.
    """
    check_same_length(guesses=guesses, label_ids=label_ids)
    if max(ks) > np.shape(guesses)[1]:
        raise ValueError(f"Expected {max(ks)} guesses. Received: {np.shape(guesses)}")
    right = np.asarray(guesses) == np.asarray(label_ids)[:, None]
    return {
        "accuracy" if k == 1 else f"accuracy_at_{k}": float(
            np.mean(right[:, :k].any(axis=1))
        )
        for k in ks
    }
