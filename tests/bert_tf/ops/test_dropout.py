import float64_reference
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.ops import dropout

SEED = tf.constant([17, 4])
COUNT = 200_000


def draw(seed, rate=0.5, count=COUNT):
    return dropout.keep_mask(tf.constant([count]), seed, rate).numpy()


def correlation(a, b):
    return abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(len(a))  # In standard deviations.


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_keep_rate(rate):
    deviation = np.sqrt(max(rate * (1 - rate), 1e-12) / COUNT)
    for value in range(5):
        kept = draw(dropout.fold_in(SEED, value), rate).mean()
        assert abs(kept - (1 - rate)) < 5 * deviation


def test_the_hash_is_the_one_described():
    for seed in ([0, 0], [-1, 5], [2**31 - 1, -(2**31)]):
        np.testing.assert_array_equal(
            dropout.keep_mask(tf.constant([3, 41]), tf.constant(seed), 0.3),
            float64_reference.keep_mask((3, 41), seed, 0.3),
        )


def test_layers_steps_and_seeds_are_independent():
    seeds = dropout.split(SEED, 6)
    seeds += [dropout.fold_in(SEED, step) for step in range(1_000, 1_006)]
    seeds += [tf.constant([i, j]) for i in range(3) for j in range(3)]
    masks = [draw(seed) for seed in seeds]
    for index, mask in enumerate(masks):
        for other in masks[:index]:
            assert correlation(mask, other) < 5


def test_neighbors_are_independent():
    mask = draw(SEED)
    for lag in (1, 2, 3, 8, 64, 128, 768, 4096, 65_536):
        assert correlation(mask[:-lag], mask[lag:]) < 5


def test_runs_are_as_long_as_chance_makes_them():
    mask = draw(SEED)
    bytes_ = np.packbits(mask[: COUNT // 8 * 8])
    counts = np.bincount(bytes_, minlength=256)
    expected = len(bytes_) / 256
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 255) < 5 * np.sqrt(2 * 255)


def test_fold_in_and_split_never_repeat():
    seeds = [tuple(dropout.fold_in(SEED, v).numpy()) for v in range(100)]
    seeds += [tuple(s.numpy()) for s in dropout.split(SEED, 100)]
    assert len(set(seeds)) == 200


def test_same_seed_same_mask_eagerly_and_compiled():
    x = tf.random.stateless_normal([31, 17], [0, 1])
    plain = dropout.dropout(x, SEED, 0.3)
    compiled = dropout.fused_dropout(x, SEED, 0.3)
    np.testing.assert_array_equal(plain == 0, compiled == 0)
    np.testing.assert_allclose(plain, compiled, rtol=1e-6)


def test_gradient_passes_where_the_value_did():
    x = tf.ones([100, 10])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = dropout.fused_dropout(x, SEED, 0.25)
    gradient = tape.gradient(y, x)
    np.testing.assert_array_equal(gradient, y)
    np.testing.assert_allclose(np.unique(y), [0.0, 1 / 0.75], rtol=1e-6)


def test_no_seed_no_dropout():
    x = tf.ones([3])
    assert dropout.fused_dropout(x, None, 0.5) is x
    assert dropout.dropout(x, SEED, 0.0) is x
