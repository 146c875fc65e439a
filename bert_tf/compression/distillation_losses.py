"""How far a student is from its teacher, position by position, in float32.

Shapes: B batch, S length, H width, N heads, L labels; whatever has a last axis may have
any axes before it. The caller weighs, sums and divides.
"""

import tensorflow as tf

from bert_tf.ops.heads import split_heads

# Beside it no score counts.
_NEVER = -1e9


def soft_label_loss(
    student_L: tf.Tensor, teacher_L: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns the divergence of two distributions, times the squared temperature.

    Args:
        student_L: logits, of one label of each set.
        teacher_L: likewise.
        temperature: divides both; its square keeps the gradient's size.

    Returns:
        KL(teacher || student), nats, without the last axis.

    Source: Hinton et al. 2015 (arXiv:1503.02531), section 2; as a divergence: Sanh et
    al. 2019 (arXiv:1910.01108), whose code this agrees with.
    """
    student_L = tf.nn.log_softmax(_float(student_L) / temperature)
    return _divergence(_float(teacher_L) / temperature, student_L) * temperature**2


def grouped_soft_label_loss(
    student_E: tf.Tensor, teacher_E: tf.Tensor, group_E: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns `soft_label_loss` of each entry's group, a distribution over its entries.

    Args:
        student_E: logits, `[entries]`.
        teacher_E: likewise.
        group_E: int32, which entries belong together; 0 for no entry.
        temperature: see `soft_label_loss`.

    Returns:
        `[entries]`, the same value for each entry of a group.
    """
    same_EE = (group_E[:, tf.newaxis] == group_E) & (group_E > 0)
    student_EE, teacher_EE = (
        tf.where(same_EE, _float(x), _NEVER) for x in (student_E, teacher_E)
    )
    return soft_label_loss(student_EE, teacher_EE, temperature)


def soft_decision_loss(
    student_L: tf.Tensor, teacher_L: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns the mean divergence of labels that apply or not, each by itself.

    As `soft_label_loss`, with the two probabilities of each label.
    """
    student, teacher = (_float(x)[..., tf.newaxis] for x in (student_L, teacher_L))
    student, teacher = (
        tf.concat([x, tf.zeros_like(x)], axis=-1) for x in (student, teacher)
    )
    return tf.reduce_mean(soft_label_loss(student, teacher, temperature), axis=-1)


def squared_error(student_H: tf.Tensor, teacher_H: tf.Tensor) -> tf.Tensor:
    """Returns the mean over the last axis of the squared difference.

    Source: of hidden states: Jiao et al. 2019 (arXiv:1909.10351), equations 8 and 9.
    """
    difference = _float(student_H) - _float(teacher_H)
    return tf.reduce_mean(tf.square(difference), axis=-1)


def relative_squared_error(student_H: tf.Tensor, teacher_H: tf.Tensor) -> tf.Tensor:
    """Returns the squared distance of two vectors in squared lengths of the teacher's.

    Of vectors of length 1 it is the squared distance, twice the cosine distance.

    Source: Reimers and Gurevych 2020 (arXiv:2004.09813), section 2; their code
    (sentence-transformers, `MSELoss`) divides by the width instead, which makes little
    of vectors of length 1 and much of others beside the other losses.
    """
    student, teacher = _float(student_H), _float(teacher_H)
    return tf.math.divide_no_nan(
        tf.reduce_sum(tf.square(student - teacher), axis=-1),
        tf.reduce_sum(tf.square(teacher), axis=-1),
    )


def cosine_distance(student_H: tf.Tensor, teacher_H: tf.Tensor) -> tf.Tensor:
    """Returns 1 less the cosine of the angle, without the last axis.

    Source: Sanh et al. 2019 (arXiv:1910.01108), section 3.
    """
    student, teacher = (
        tf.math.l2_normalize(_float(x), axis=-1, epsilon=1e-16)
        for x in (student_H, teacher_H)
    )
    return 1.0 - tf.reduce_sum(student * teacher, axis=-1)


def attention_error(
    student: tuple[tf.Tensor, tf.Tensor],
    teacher: tuple[tf.Tensor, tf.Tensor],
    mask_B1SS: tf.Tensor,
    num_heads: int,
) -> tf.Tensor:
    """Returns the squared difference of attention scores, before their softmax.

    Args:
        student: queries and keys, `[B, S, H]`.
        teacher: likewise, of its own width.
        mask_B1SS: 1.0 where a position sees another, 0.0 elsewhere; the third axis
            may be 1.
        num_heads: of both.

    Returns:
        `[B, S]`, the mean over heads and the positions seen.

    Source: Jiao et al. 2019 (arXiv:1909.10351), equation 7, whose code also compares
    the scores scaled.
    """
    student_BNSS, teacher_BNSS = (
        _scores(*queries_keys, num_heads) for queries_keys in (student, teacher)
    )
    errors_BSS = tf.reduce_mean(tf.square(student_BNSS - teacher_BNSS), axis=1)
    mask_BSS = mask_B1SS[:, 0]
    return tf.math.divide_no_nan(
        tf.reduce_sum(errors_BSS * mask_BSS, axis=-1), tf.reduce_sum(mask_BSS, axis=-1)
    )


def relation_loss(
    student_BSH: tf.Tensor,
    teacher_BSH: tf.Tensor,
    mask_B1SS: tf.Tensor,
    num_relation_heads: int,
) -> tf.Tensor:
    """Returns the divergence of how positions relate: of queries, keys or values.

    Args:
        student_BSH: of all heads side by side.
        teacher_BSH: likewise, of its own width.
        mask_B1SS: 1.0 where a position sees another, 0.0 elsewhere; the third axis
            may be 1.
        num_relation_heads: into so many both widths are cut, whatever their own heads.

    Returns:
        KL(teacher || student), `[B, S]`, the mean over relation heads.

    Source: Wang et al. 2020 (arXiv:2012.15828), section 3.1.
    """
    student_BNSS, teacher_BNSS = (
        _scores(x, x, num_relation_heads) + (1.0 - mask_B1SS) * _NEVER
        for x in (student_BSH, teacher_BSH)
    )
    divergence_BNS = _divergence(teacher_BNSS, tf.nn.log_softmax(student_BNSS))
    return tf.reduce_mean(divergence_BNS, axis=1)


def _scores(query_BSH: tf.Tensor, key_BSH: tf.Tensor, num_heads: int) -> tf.Tensor:
    """Returns the scaled products of every two positions, `[B, N, S, S]`."""
    query_BNSD, key_BNSD = (
        split_heads(_float(x), None, num_heads=num_heads, fused=False)
        for x in (query_BSH, key_BSH)
    )
    products = tf.matmul(query_BNSD, key_BNSD, transpose_b=True)
    return products * query_BNSD.shape[-1] ** -0.5


def _divergence(teacher_logits: tf.Tensor, student_log: tf.Tensor) -> tf.Tensor:
    """Returns KL(softmax(teacher) || exp(student)), without the last axis."""
    teacher_log = tf.nn.log_softmax(teacher_logits)
    return tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), axis=-1)


def _float(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)
