"""The cross-entropy of a vocabulary's scores, without keeping these."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.cross_entropy import (
    backward,
    cross_entropy,
    forward,
    is_highest,
)
from bert_tf.ops.vocabulary_scores import (
    VocabularyScores,
    sum_in_slices,
    vocabulary_logits,
)


def vocabulary_loss(
    hidden: tf.Tensor,
    word_embeddings: tf.Tensor,
    bias: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    label_smoothing: float = 0.0,
    fused: bool = True,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores every entry of the vocabulary and compares with the labels.

    In float32 some rows at a time, in one compiled function: a batch's logits are often
    larger than all else.

    Args:
        hidden: `[rows, hidden]`, any float dtype.
        word_embeddings: `[vocab, hidden]`, the same dtype.
        bias: float32 `[vocab]`.
        labels: int32 `[rows]`.
        weights: float32 `[rows]`.
        label_smoothing: the share of a label that goes to all entries alike.
        fused: whether the gradients are computed together with the loss, for training;
            in float32 alone.

    Returns:
        Float32 scalars: the weighted sum of the cross-entropies, in nats, and the sum
        of the weights of the rows whose label no entry outscores.
    """
    if hidden.dtype != tf.float32:
        # Products in bfloat16 are oneDNN's on a CPU, which has the matrix units.
        logits = vocabulary_logits(hidden, word_embeddings, bias)
        losses = cross_entropy(logits, labels, label_smoothing)
        correct = is_highest(logits, labels)
        return tf.reduce_sum(losses * weights), tf.reduce_sum(correct * weights)

    @tf.custom_gradient
    def function(hidden: tf.Tensor, embeddings: tf.Tensor, bias: tf.Tensor) -> Any:
        # A tape outside must not differentiate the loop, which has its gradients.
        inputs = [tf.stop_gradient(x) for x in (hidden, embeddings, bias)]

        def with_gradients() -> Any:
            return _sums(*inputs, labels, weights, label_smoothing=label_smoothing)

        if fused:
            *sums, gradients = with_gradients()
        else:
            sums = _sums_alone(
                *inputs, labels, weights, label_smoothing=label_smoothing
            )

        def gradient(dloss: tf.Tensor, _: tf.Tensor) -> Any:
            values = gradients if fused else with_gradients()[2]
            return [dloss * value for value in values]

        return tuple(sums), gradient

    embeddings, bias = (tf.convert_to_tensor(x) for x in (word_embeddings, bias))
    return function(hidden, embeddings, bias)


@compiled
def _sums(
    hidden: tf.Tensor,
    embeddings: tf.Tensor,
    bias: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    *,
    label_smoothing: float,
) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
    """Returns both sums and the gradients of the first one."""
    smoothing = {"label_smoothing": label_smoothing}

    def score(
        logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        losses, *powers_and_sums = forward(logits, labels, **smoothing)
        hits = is_highest(logits, labels)
        dlogits = backward(
            *powers_and_sums, labels, weights, dtype=logits.dtype, **smoothing
        )
        sums = [tf.reduce_sum(values * weights) for values in (losses, hits)]
        return sums, dlogits

    scores = VocabularyScores(hidden, embeddings, bias)
    (loss, correct), gradients = sum_in_slices(scores, (labels, weights), score, 2)
    return loss, correct, gradients


@compiled
def _sums_alone(
    *arguments: tf.Tensor, label_smoothing: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns both sums: XLA leaves out what only the gradients need."""
    loss, correct, _ = _sums(*arguments, label_smoothing=label_smoothing)
    return loss, correct
