"""Which positions may attend to which: int32, 1 where they may and 0 elsewhere.

Shapes: B batch, F attending positions ("from"), T attended ones ("to"). Any axis but
the last may be 1. Where several rules hold, their masks are multiplied.
"""

import tensorflow as tf


def padding_mask(input_mask_BT: tf.Tensor) -> tf.Tensor:
    """Hides padding.

    Args:
        input_mask_BT: integers, 1 for tokens and 0 for padding.

    Returns:
        `[B, 1, 1, T]`.
    """
    return tf.cast(input_mask_BT, tf.int32)[:, tf.newaxis, tf.newaxis, :]


def same_example_mask(
    from_ids_BF: tf.Tensor, to_ids_BT: tf.Tensor | None = None
) -> tf.Tensor:
    """Hides the other examples of a packed row.

    Padding, all of one number too, attends to itself, and nothing to it.

    Args:
        from_ids_BF: `example_ids` of the attending positions.
        to_ids_BT: those of the attended ones; None for the same.

    Returns:
        `[B, 1, F, T]`.
    """
    to_ids_BT = from_ids_BF if to_ids_BT is None else to_ids_BT
    same = from_ids_BF[:, :, tf.newaxis] == to_ids_BT[:, tf.newaxis, :]
    return tf.cast(same, tf.int32)[:, tf.newaxis]


def causal_mask(
    from_length: tf.Tensor | int,
    to_length: tf.Tensor | int,
    offset: tf.Tensor | int = 0,
) -> tf.Tensor:
    """Hides what comes later.

    Args:
        from_length: F.
        to_length: T.
        offset: place of the first attending position among the attended ones, int32,
            a scalar or one for each row, `[B]`.

    Returns:
        `[1 or B, 1, F, T]`.
    """
    offset = tf.reshape(tf.cast(offset, tf.int32), [-1, 1, 1])
    places_BF1 = offset + tf.range(from_length)[:, tf.newaxis]
    return tf.cast(tf.range(to_length) <= places_BF1, tf.int32)[:, tf.newaxis]


def mask_at(mask_BNFT: tf.Tensor, positions_BP: tf.Tensor) -> tf.Tensor:
    """Returns the mask of some of the attending positions, `[B, 1, 1 or P, T]`."""
    if mask_BNFT.shape[2] == 1:
        return mask_BNFT
    if mask_BNFT.shape[0] == 1:
        return tf.gather(mask_BNFT[0, 0], positions_BP)[:, tf.newaxis]
    return tf.gather(mask_BNFT[:, 0], positions_BP, batch_dims=1)[:, tf.newaxis]
