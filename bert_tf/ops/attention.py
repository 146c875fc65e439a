"""Scaled dot-product attention, between the projections' products and the context."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.heads import merge_heads, split_heads
from bert_tf.ops.masked_softmax import masked_softmax

# The products of queries, keys and values, and the biases of each.
Projected = tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]


def attention(
    query_BFH: tf.Tensor,
    key_BTH: tf.Tensor,
    value_BTH: tf.Tensor,
    biases_H: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    mask_BNFT: tf.Tensor,
    *,
    num_heads: int,
    seed: tf.Tensor | None,
    rate: float,
    fused: bool,
) -> tf.Tensor:
    """Adds the projections' biases and attends with each head.

    Shapes: B batch, F queries ("from"), T keys ("to"), N heads, H = N * head width.

    Args:
        query_BFH: the product of the attending sequence and the query kernel.
        key_BTH: that of the attended sequence and the key kernel.
        value_BTH: that of the attended sequence and the value kernel.
        biases_H: float32, of queries, keys and values.
        mask_BNFT: int32, 1 where a query may attend to a key; any axis but the last
            may be 1.
        num_heads: N.
        seed: of the probabilities' dropout, int32 `[2]`; None for no dropout.
        rate: share of the probabilities dropped.
        fused: compiled functions, for training, or plain operations.

    Returns:
        The values' means by attention probability, `[B, F, H]`, the queries' dtype.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.
    """
    biases_H = tuple(tf.convert_to_tensor(bias) for bias in biases_H)
    projected = (query_BFH, key_BTH, value_BTH), biases_H
    settings: dict[str, Any] = {"num_heads": num_heads, "rate": rate}
    # XLA's small float32 products are twice as fast as oneDNN's on a CPU; in bfloat16
    # oneDNN has the matrix units to itself.
    if not fused or query_BFH.dtype != tf.float32:
        return _attend(projected, mask_BNFT, seed, **settings, fused=fused)

    @tf.custom_gradient
    def function(*flat: tf.Tensor) -> Any:
        projected = flat[:3], flat[3:]

        def gradient(dcontext_BFH: tf.Tensor) -> Any:
            gradients = _gradient(dcontext_BFH, projected, mask_BNFT, seed, **settings)
            return tf.nest.flatten(gradients)

        return _forward(projected, mask_BNFT, seed, **settings), gradient

    return function(*tf.nest.flatten(projected))


def _attend(
    projected: Projected,
    mask_BNFT: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    num_heads: int,
    rate: float,
    fused: bool = True,
) -> tf.Tensor:
    query_BNFD, key_BNTD, value_BNTD = (
        split_heads(x_BSH, bias_H, num_heads=num_heads, fused=fused)
        for x_BSH, bias_H in zip(*projected, strict=True)
    )
    return attend(
        query_BNFD, key_BNTD, value_BNTD, mask_BNFT, seed=seed, rate=rate, fused=fused
    )


def attend(
    query_BNFD: tf.Tensor,
    key_BNTD: tf.Tensor,
    value_BNTD: tf.Tensor,
    mask_BNFT: tf.Tensor,
    *,
    seed: tf.Tensor | None = None,
    rate: float = 0.0,
    fused: bool = False,
) -> tf.Tensor:
    """Attends with each head; see `attention`, of which this is the second half.

    Args:
        query_BNFD: queries, biases added.
        key_BNTD: keys, biases added.
        value_BNTD: values, biases added.
        mask_BNFT: see `attention`.
        seed: see `attention`.
        rate: see `attention`.
        fused: see `attention`.

    Returns:
        The values' means by attention probability, `[B, F, H]`.
    """
    probabilities_BNFT = attention_probabilities(
        query_BNFD, key_BNTD, mask_BNFT, seed=seed, rate=rate, fused=fused
    )
    return merge_heads(tf.matmul(probabilities_BNFT, value_BNTD), fused=fused)


def attention_probabilities(
    query_BNFD: tf.Tensor,
    key_BNTD: tf.Tensor,
    mask_BNFT: tf.Tensor,
    *,
    seed: tf.Tensor | None = None,
    rate: float = 0.0,
    fused: bool = False,
) -> tf.Tensor:
    """Returns how much each query attends to each key, `[B, N, F, T]`; see `attend`."""
    return masked_softmax(
        tf.matmul(query_BNFD, key_BNTD, transpose_b=True),
        mask_BNFT,
        scale=query_BNFD.shape[-1] ** -0.5,
        seed=seed,
        rate=rate,
        fused=fused,
    )


_forward = compiled(_attend)


@compiled
def _gradient(
    dcontext_BFH: tf.Tensor,
    projected: Projected,
    mask_BNFT: tf.Tensor,
    seed: tf.Tensor | None,
    *,
    num_heads: int,
    rate: float,
) -> Projected:
    """Computes the probabilities again: faster than to keep and read them."""
    with tf.GradientTape() as tape:
        tape.watch(projected)
        context_BFH = _attend(
            projected, mask_BNFT, seed, num_heads=num_heads, rate=rate
        )
    return tape.gradient(context_BFH, projected, dcontext_BFH)
