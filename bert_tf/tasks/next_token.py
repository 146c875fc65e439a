"""What tasks have in common whose model predicts the next token."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from bert_tf.metrics.language_modelling import perplexities
from bert_tf.ops.cross_entropy import cross_entropy, is_highest
from bert_tf.tasks.endpoint import Batch, Outputs

SHOWN = {"token_accuracy": "token accuracy", "perplexity": "perplexity"}
CHARTS = {"token_accuracy": "Token accuracy", "perplexity": "Perplexity a token"}
COUNTS = ("token_correct", "words", "bytes")
"""The sums beside loss and weight; the last two of held-out text only."""

WRITES = (
    "This model writes texts: use `python -m bert_tf.run_generation`, or "
    "`bert_tf.load(path).generate([...])`."
)
"""Why it does not predict."""


def sums(
    outputs: Outputs, labels: tf.Tensor, sizes: tuple[tf.Tensor, tf.Tensor] | None
) -> dict[str, tf.Tensor]:
    """Sums loss and right answers over the tokens of a micro-batch.

    Args:
        outputs: of a `CausalLM` or an `EncoderDecoder`: sums, or logits.
        labels: integers `[batch, length]`, negative where there is none.
        sizes: words and bytes of the text, float32 scalars; None in training, whose
            loss may be a smoothed one that no perplexity follows from.

    Returns:
        `token_loss` and `COUNTS`, float32 scalars.
    """
    if "sums" in outputs:
        loss, correct = outputs["sums"]
    else:
        weights = label_weights(labels)
        ids = tf.cast(tf.maximum(labels, 0), tf.int32)
        loss = tf.reduce_sum(cross_entropy(outputs["logits"], ids) * weights)
        correct = tf.reduce_sum(is_highest(outputs["logits"], ids) * weights)
    words, num_bytes = (tf.constant(0.0), tf.constant(0.0)) if sizes is None else sizes
    return {
        "token_loss": loss,
        "token_correct": correct,
        "words": words,
        "bytes": num_bytes,
    }


def held_out_sizes(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the words and bytes of a batch of examples, float32 scalars."""
    weights = batch["example_weights"]
    return (
        tf.reduce_sum(batch["words"] * weights),
        tf.reduce_sum(batch["bytes"] * weights),
    )


def label_weights(labels: tf.Tensor) -> tf.Tensor:
    """Returns 1.0 for labels, 0.0 where there is none; float32, the same shape."""
    return tf.cast(labels >= 0, tf.float32)


def perplexities_of(sums: Mapping[str, float]) -> dict[str, float]:
    """Returns the perplexities of held-out text, of sums; nothing in training."""
    if not sums["words"]:
        return {}
    return perplexities(
        sums["token_loss"], sums["token_weight"], sums["words"], sums["bytes"]
    )


def counts_of(*ids: np.ndarray) -> list[np.ndarray]:
    """Returns how often each id occurs in several arrays, int64 `[largest id + 1]`."""
    size = max(int(part.max()) for part in ids) + 1
    return [np.bincount(part, minlength=size) for part in ids]


def text_sizes(texts: Sequence[str], kept: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the words and bytes of texts, float32 `[texts]` each.

    Args:
        texts: as they are written.
        kept: `[texts]`, the share of each that is predicted; the rest was cut.
    """
    words = np.array([len(text.split()) for text in texts])
    num_bytes = np.array([len(text.encode("utf-8")) for text in texts])
    return {
        "words": (words * kept).astype(np.float32),
        "bytes": (num_bytes * kept).astype(np.float32),
    }
