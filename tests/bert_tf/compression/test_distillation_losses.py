"""The losses of distillation against their formulas, in NumPy's float64."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.compression import distillation_losses as losses

B, S, N, L = 3, 5, 2, 4


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(teacher, student):
    return (teacher * np.log(teacher / student)).sum(-1)


def heads(x, count):
    return x.reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_soft_labels(temperature):
    student, teacher = draw(B, L) * 3, draw(B, L, seed=1) * 3
    expected = temperature**2 * divergence(
        softmax(teacher / temperature), softmax(student / temperature)
    )
    found = losses.soft_label_loss(student, teacher, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (losses.soft_label_loss(teacher, teacher, temperature).numpy() == 0).all()


def test_the_gradient_of_soft_labels_keeps_its_size_as_they_soften():
    """T squared times the divergence tends to half the squared differences."""
    student, teacher = draw(B, L), draw(B, L, seed=1)
    found = losses.soft_label_loss(student, teacher, 30.0)
    differences = student - teacher
    differences -= differences.mean(-1, keepdims=True)
    np.testing.assert_allclose(found, (differences**2).mean(-1) / 2, rtol=0.05)


def test_soft_decisions():
    student, teacher = draw(B, L) * 3, draw(B, L, seed=1) * 3
    s, t = (1 / (1 + np.exp(-x / 2.0)) for x in (student, teacher))
    expected = t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s))
    found = losses.soft_decision_loss(student, teacher, 2.0)
    np.testing.assert_allclose(found, 4 * expected.mean(-1), rtol=1e-4)


def test_states():
    student, teacher = draw(B, S, 8), draw(B, S, 8, seed=1)
    np.testing.assert_allclose(
        losses.squared_error(student, teacher),
        ((student - teacher) ** 2).mean(-1),
        rtol=1e-5,
    )
    products = (student * teacher).sum(-1)
    sizes = np.linalg.norm(student, axis=-1) * np.linalg.norm(teacher, axis=-1)
    found = losses.cosine_distance(student, teacher)
    np.testing.assert_allclose(found, 1 - products / sizes, rtol=1e-5)


def test_attention_counts_what_is_seen_alone():
    student, teacher = draw(2, B, S, 8), draw(2, B, S, 12, seed=1)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], np.float32)

    def scores(queries, keys):
        queries, keys = heads(queries, N), heads(keys, N)
        return queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])

    errors = ((scores(*student) - scores(*teacher)) ** 2).mean(1)
    expected = (errors * mask[:, None]).sum(-1) / mask.sum(-1)[:, None]
    found = losses.attention_error(
        (student[0], student[1]), (teacher[0], teacher[1]), mask[:, None, None], N
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("num_relation_heads", [1, 2, 4])
def test_relations_need_no_equal_widths(num_relation_heads):
    student, teacher = draw(B, S, 8), draw(B, S, 12, seed=1)
    length = 3
    mask = np.zeros([1, 1, 1, S], np.float32)
    mask[..., :length] = 1

    def relations(x):
        x = heads(x[:, :length], num_relation_heads)
        return softmax(x @ x.swapaxes(-1, -2) / np.sqrt(x.shape[-1]))

    expected = divergence(relations(teacher), relations(student)).mean(1)
    found = losses.relation_loss(student, teacher, mask, num_relation_heads)
    np.testing.assert_allclose(found[:, :length], expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(found).all()


def test_everything_is_computed_in_float32():
    student, teacher = (
        tf.cast(draw(B, S, 8, seed=seed), tf.bfloat16) for seed in (0, 1)
    )
    mask = tf.ones([B, 1, 1, S])
    for found in (
        losses.soft_label_loss(student, teacher, 2.0),
        losses.squared_error(student, teacher),
        losses.cosine_distance(student, teacher),
        losses.attention_error((student, student), (teacher, teacher), mask, N),
        losses.relation_loss(student, teacher, mask, N),
    ):
        assert found.dtype == tf.float32
