"""Schedules and masks of pruning, beside NumPy and PyTorch."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.compression import masks


def kept_by_sorting(scores, count):
    flat = np.concatenate([each.ravel() for each in scores]) + np.float32(0)
    mask = np.zeros(flat.shape, np.float32)
    mask[np.argsort(-flat, kind="stable")[:count]] = 1
    parts = np.split(mask, np.cumsum([each.size for each in scores])[:-1])
    return [part.reshape(s.shape) for part, s in zip(parts, scores, strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    # Few shapes, since each is compiled anew; few values, so that some are equal.
    shapes=st.sampled_from([[(2, 3)], [(4, 5), (1, 7)], [(1, 1)]]),
    share=st.floats(0, 1),
    data=st.data(),
)
def test_the_largest_stay_and_of_equal_ones_the_first(shapes, share, data):
    values = st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, -1.0]),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
    scores = [
        np.array(
            data.draw(st.lists(values, min_size=r * c, max_size=r * c)), np.float32
        ).reshape(r, c)
        for r, c in shapes
    ]
    # TensorFlow's processors flush what is smaller to zero.
    scores = [np.where(np.abs(s) < 1e-37, np.float32(0), s) for s in scores]
    found = masks.keep_largest(
        [tf.constant(s) for s in scores], tf.constant(share, tf.float64)
    )
    count = int(np.rint(share * sum(s.size for s in scores)))
    assert sum(mask.numpy().sum() for mask in found) == count
    for mask, expected in zip(found, kept_by_sorting(scores, count), strict=True):
        np.testing.assert_array_equal(mask, expected)


@settings(deadline=None, max_examples=100)
@given(begin=st.integers(0, 50), length=st.integers(1, 50), after=st.integers(0, 20))
def test_the_schedule_is_cubic_and_never_falls(begin, length, after):
    end = begin + length
    steps = np.arange(end + after)
    found = np.array(
        [masks.cubic_progress(tf.constant(int(s), tf.int64), begin, end) for s in steps]
    )
    done = np.clip((steps + 1 - begin) / length, 0, 1)
    np.testing.assert_allclose(found, 1 - (1 - done) ** 3, atol=1e-12)
    assert (found[:begin] == 0).all()
    assert (found[end - 1 :] == 1).all()
    assert (np.diff(found) >= 0).all()


@settings(deadline=None, max_examples=25)
@given(
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    block=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 99),
)
def test_blocks_stay_or_go_as_a_whole(grid, block, seed):
    generator = np.random.default_rng(seed)
    weights = generator.standard_normal(np.multiply(grid, block)).astype(np.float32)
    mask = generator.integers(0, 2, grid).astype(np.float32)
    whole = np.kron(mask, np.ones(block, np.float32))
    found = masks.multiply_blocks(tf.constant(weights), tf.constant(mask), block)
    np.testing.assert_array_equal(found, weights * whole)
    sums = [
        [weights[i : i + block[0], j : j + block[1]].sum() for j in columns]
        for i in range(0, len(weights), block[0])
        for columns in [range(0, weights.shape[1], block[1])]
    ]
    found = masks.block_sums(tf.constant(weights), block)
    np.testing.assert_allclose(found, sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", [(1, 1), (2, 3)])
def test_movement_gradients_are_those_of_pytorch(block):
    """Sanh et al.'s binarizer: forward a mask of the top scores, backward nothing."""
    import torch

    class TopK(torch.autograd.Function):
        @staticmethod
        def forward(context, scores, share):
            mask = torch.zeros_like(scores)
            count = round(share * scores.numel())
            mask.view(-1)[scores.flatten().argsort(descending=True)[:count]] = 1
            return mask

        @staticmethod
        def backward(context, gradient):
            return gradient, None

    generator = np.random.default_rng(4)
    inputs = generator.standard_normal([5, 6]).astype(np.float32)
    kernel = generator.standard_normal([6, 9]).astype(np.float32)
    grid = np.floor_divide(kernel.shape, block)
    scores = generator.standard_normal(grid).astype(np.float32)

    ours = [tf.constant(array) for array in (kernel, scores)]
    with tf.GradientTape() as tape:
        tape.watch(ours)
        (mask,) = masks.keep_largest([ours[1]], tf.constant(0.4, tf.float64))
        seen = masks.straight_through(ours[1], mask)
        product = inputs @ masks.multiply_blocks(ours[0], seen, block)
        loss = tf.reduce_sum(tf.tanh(product))
    received = tape.gradient(loss, ours)

    theirs = [torch.tensor(array, requires_grad=True) for array in (kernel, scores)]
    mask = TopK.apply(theirs[1], 0.4)
    whole = mask.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    expected = torch.tanh(torch.tensor(inputs) @ (theirs[0] * whole)).sum()
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), abs=1e-4)
    for ours_of, theirs_of in zip(received, theirs, strict=True):
        np.testing.assert_allclose(ours_of, theirs_of.grad.numpy(), atol=1e-5)
