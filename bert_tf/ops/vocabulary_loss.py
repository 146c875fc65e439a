"""The scores of a vocabulary's entries, and the masked-LM loss without keeping them."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.cross_entropy import (
    backward,
    cross_entropy,
    forward,
    is_highest,
)

# Logits of so many rows exist at a time. More take more memory; with fewer, the sums of
# the embeddings' gradients cost more than they save.
_ROWS = 320


def vocabulary_logits(
    hidden: tf.Tensor, word_embeddings: tf.Tensor, bias: tf.Tensor
) -> tf.Tensor:
    """Scores every entry of the vocabulary.

    Args:
        hidden: `[rows, hidden]`, any float dtype.
        word_embeddings: `[vocab, hidden]`, the same dtype.
        bias: float32 `[vocab]`.

    Returns:
        float32 `[rows, vocab]`.
    """
    logits = tf.matmul(hidden, word_embeddings, transpose_b=True)
    # TensorFlow fuses this bias, unlike another addition, into the product.
    return tf.nn.bias_add(tf.cast(logits, tf.float32), bias)


def vocabulary_loss(
    hidden: tf.Tensor,
    word_embeddings: tf.Tensor,
    bias: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    label_smoothing: float = 0.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores every entry of the vocabulary and compares with the labels.

    In float32 the gradients are computed together with the loss, some rows at a time,
    in one compiled function: a batch's logits are often larger than all else. For
    training only, since it does the backward pass' work either way.

    Args:
        hidden: `[rows, hidden]`, any float dtype.
        word_embeddings: `[vocab, hidden]`, the same dtype.
        bias: float32 `[vocab]`.
        labels: int32 `[rows]`.
        weights: float32 `[rows]`.
        label_smoothing: the share of a label that goes to all entries alike.

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
        loss, correct, gradients = _sums(
            *inputs, labels, weights, label_smoothing=label_smoothing
        )

        def gradient(dloss: tf.Tensor, _: tf.Tensor) -> Any:
            return [dloss * value for value in gradients]

        return (loss, correct), gradient

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
    rows = tf.shape(hidden)[0]
    chunks = -(-rows // _ROWS)
    length = -(-rows // chunks)

    def cut(x: tf.Tensor) -> tf.Tensor:
        padding = [[0, chunks * length - rows]] + [[0, 0]] * (x.shape.rank - 1)
        return tf.reshape(tf.pad(x, padding), [chunks, length, *x.shape[1:]])

    hidden, labels, weights = cut(hidden), cut(labels), cut(weights)

    def body(
        index: tf.Tensor,
        loss: tf.Tensor,
        correct: tf.Tensor,
        dhidden: tf.Tensor,
        dembeddings: tf.Tensor,
        dbias: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        logits = vocabulary_logits(hidden[index], embeddings, bias)
        smoothing = {"label_smoothing": label_smoothing}
        losses, *powers_and_sums = forward(logits, labels[index], **smoothing)
        hits = is_highest(logits, labels[index])
        dlogits = backward(
            *powers_and_sums,
            labels[index],
            weights[index],
            dtype=logits.dtype,
            **smoothing,
        )
        return (
            index + 1,
            loss + tf.reduce_sum(losses * weights[index]),
            correct + tf.reduce_sum(hits * weights[index]),
            tf.tensor_scatter_nd_update(
                dhidden, [[index]], tf.matmul(dlogits, embeddings)[tf.newaxis]
            ),
            dembeddings + tf.matmul(dlogits, hidden[index], transpose_a=True),
            dbias + tf.reduce_sum(dlogits, axis=0),
        )

    zeros = (hidden, embeddings, bias)
    _, loss, correct, dhidden, dembeddings, dbias = tf.while_loop(
        lambda index, *_: index < chunks,
        body,
        (0, 0.0, 0.0, *(tf.zeros_like(x) for x in zeros)),
        parallel_iterations=1,
        maximum_iterations=chunks,
    )
    dhidden = tf.reshape(dhidden, [-1, hidden.shape[-1]])[:rows]
    return loss, correct, (dhidden, dembeddings, dbias)
