"""The scores of a vocabulary's entries, and sums over them without keeping them all."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from bert_tf.ops.matmul import add_bias

# Logits of so many rows exist at a time. More take more memory; with fewer, the sums of
# the embeddings' gradients cost more than they save.
_ROWS = 320


class VocabularyScores(NamedTuple):
    """What the scores of all entries follow from; they themselves are large.

    Attributes:
        hidden: `[..., hidden]`, any float dtype.
        word_embeddings: `[vocab, hidden]`, the same dtype.
        bias: float32 `[vocab]`.
    """

    hidden: tf.Tensor
    word_embeddings: tf.Tensor
    bias: tf.Tensor

    def in_rows(self) -> "VocabularyScores":
        """Returns the same with `hidden` as `[rows, hidden]`."""
        width = self.word_embeddings.shape[-1]
        return self._replace(hidden=tf.reshape(self.hidden, [-1, width]))


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
    return add_bias(tf.matmul(hidden, word_embeddings, transpose_b=True), bias)


Score = Callable[..., tuple[Sequence[tf.Tensor], tf.Tensor]]


def sum_in_slices(
    scores: VocabularyScores, others: Sequence[tf.Tensor], score: Score, num_sums: int
) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
    """Sums what is computed of the scores, some rows at a time, and differentiates it.

    Args:
        scores: float32, `[rows, hidden]`.
        others: `[rows, ...]` each, what else is known of a row; 0 for rows of no
            weight, with which the last slice is filled.
        score: takes the logits of some rows, float32 `[some, vocab]`, and these rows of
            `others`. Returns sums over them, float32 scalars, and the gradient of the
            first sum with respect to the logits.
        num_sums: how many it returns.

    Returns:
        The sums over all rows, and the gradients of the first one with respect to
        `hidden`, `word_embeddings` and `bias`.
    """
    hidden, embeddings, bias = scores
    rows = tf.shape(hidden)[0]
    chunks = -(-rows // _ROWS)
    length = -(-rows // chunks)

    def cut(x: tf.Tensor) -> tf.Tensor:
        padding = [[0, chunks * length - rows]] + [[0, 0]] * (x.shape.rank - 1)
        return tf.reshape(tf.pad(x, padding), [chunks, length, *x.shape[1:]])

    hidden, others = cut(hidden), [cut(x) for x in others]

    def body(
        index: tf.Tensor,
        sums: tuple[tf.Tensor, ...],
        dhidden: tf.Tensor,
        dembeddings: tf.Tensor,
        dbias: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor, tf.Tensor, tf.Tensor]:
        logits = vocabulary_logits(hidden[index], embeddings, bias)
        more, dlogits = score(logits, *(x[index] for x in others))
        return (
            index + 1,
            tuple(a + b for a, b in zip(sums, more, strict=True)),
            tf.tensor_scatter_nd_update(
                dhidden, [[index]], tf.matmul(dlogits, embeddings)[tf.newaxis]
            ),
            dembeddings + tf.matmul(dlogits, hidden[index], transpose_a=True),
            dbias + tf.reduce_sum(dlogits, axis=0),
        )

    zeros = (tf.zeros_like(x) for x in (hidden, embeddings, bias))
    _, sums, dhidden, dembeddings, dbias = tf.while_loop(
        lambda index, *_: index < chunks,
        body,
        (0, (0.0,) * num_sums, *zeros),
        parallel_iterations=1,
        maximum_iterations=chunks,
    )
    dhidden = tf.reshape(dhidden, [-1, hidden.shape[-1]])[:rows]
    return sums, (dhidden, dembeddings, dbias)
