"""Between a layer's width and its attention heads."""

from typing import Any

import tensorflow as tf

from bert_tf.ops.compiled import compiled
from bert_tf.ops.shapes import leading_shape


def split_heads(
    x_BSH: tf.Tensor, bias_H: tf.Tensor | None, *, num_heads: int, fused: bool
) -> tf.Tensor:
    """Adds a projection's bias and splits its width into heads.

    Shapes: B batch, S length, N heads, D width of a head, H = N * D.

    Args:
        x_BSH: the projection's product; any float dtype.
        bias_H: float32; None where it has been added, which plain operations allow.
        num_heads: N.
        fused: one compiled function, for training, or plain operations.

    Returns:
        `[B, N, S, D]`, the dtype of `x`.
    """
    if bias_H is None:
        return _unmerge(x_BSH, num_heads)
    if not fused:
        return _split(x_BSH, bias_H, num_heads)

    @tf.custom_gradient
    def function(x_BSH: tf.Tensor, bias_H: tf.Tensor) -> Any:
        return _fused_split(x_BSH, bias_H, num_heads=num_heads), _split_backward

    return function(x_BSH, tf.convert_to_tensor(bias_H))


def merge_heads(x_BNSD: tf.Tensor, *, fused: bool) -> tf.Tensor:
    """Joins the heads `[B, N, S, D]` to the width `[B, S, H]`."""
    if not fused:
        return _merge(x_BNSD)

    @tf.custom_gradient
    def function(x_BNSD: tf.Tensor) -> Any:
        def gradient(dy_BSH: tf.Tensor) -> tf.Tensor:
            return _fused_unmerge(dy_BSH, num_heads=x_BNSD.shape[1])

        return _fused_merge(x_BNSD), gradient

    return function(x_BNSD)


def _unmerge(x_BSH: tf.Tensor, num_heads: int) -> tf.Tensor:
    sizes = [num_heads, x_BSH.shape[-1] // num_heads]
    x_BSND = tf.reshape(x_BSH, leading_shape(x_BSH, 2, sizes))
    return tf.transpose(x_BSND, [0, 2, 1, 3])


def _merge(x_BNSD: tf.Tensor) -> tf.Tensor:
    x_BSND = tf.transpose(x_BNSD, [0, 2, 1, 3])
    width = x_BNSD.shape[1] * x_BNSD.shape[3]
    return tf.reshape(x_BSND, leading_shape(x_BSND, 2, [width]))


def _split(x_BSH: tf.Tensor, bias_H: tf.Tensor, num_heads: int) -> tf.Tensor:
    y_BSH = tf.cast(tf.cast(x_BSH, tf.float32) + bias_H, x_BSH.dtype)
    return _unmerge(y_BSH, num_heads)


_fused_merge = compiled(_merge)
_fused_unmerge = compiled(_unmerge)
_fused_split = compiled(_split)


@compiled
def _split_backward(dy_BNSD: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    dy_BSH = _merge(dy_BNSD)
    return dy_BSH, tf.reduce_sum(tf.cast(dy_BSH, tf.float32), axis=[0, 1])
